// Drawing on the mask: brush, eraser, undo, a fill that carries an edit to neighbouring slices, and saving.

import type { Api } from "./api";
import { announce, h } from "./dom";
import { segmented, slider } from "./controls";
import { problemBox } from "./problem";
import type { Pen, Scene } from "./scene";
import { smartFill } from "./smart-fill";
import type { Edit, Report } from "./types";
import { millilitres, signed } from "./words";
import { watchUnsaved } from "./unsaved";
import type { Viewport } from "./viewport";

type Tool = "brush" | "eraser";

const FIRST_WIDTH_MM = 5;
const REACH_MM = 10;

/** The tools; `onSaved` hears of a mask that the service has taken. */
export class Editing {
  readonly element = h("section", { class: "editing", "aria-label": "Edit the mask" });
  private readonly volume = h("output", { class: "edited-volume", "aria-live": "polite" });
  private readonly problem = h("div", {});
  private tool: Tool = "brush";
  private widthMm = FIRST_WIDTH_MM;
  private pen: Pen = { width: 1, erase: false };
  /** The mask before the edits that a fill would carry on, and the one to go back to. */
  private before: Uint8Array | null = null;
  private original: Uint8Array | null = null;
  /** What was done, the latest last: a stroke, or a fill with the mask that it was computed from. */
  private done: ("stroke" | Uint8Array)[] = [];
  /** What was undone, the latest last: the voxels that it had changed, and the step itself. */
  private undone: { change: Change; step: "stroke" | Uint8Array }[] = [];
  private readonly undoButton = h("button", { type: "button", onclick: () => this.undo() }, "Undo");
  private readonly redoButton = h("button", { type: "button", onclick: () => this.redo() }, "Redo");

  constructor(
    private readonly api: Api,
    private readonly report: Report,
    private readonly viewport: Viewport,
    private readonly onSaved: (edit: Edit) => void,
  ) {
    viewport.onOpened = () => this.showStart();
    viewport.onShortcut = (key) => this.shortcut(key);
  }

  private showStart(): void {
    this.stop();
    const start = h("button", { type: "button", disabled: !this.viewport.hasVolume, onclick: () => this.start() }, "Edit the mask");
    const hint = !this.viewport.hasVolume && h("span", { class: "small" }, "Choose the file of this measurement first.");
    this.element.replaceChildren(h("div", { class: "row" }, start, hint));
  }

  private start(): void {
    const scene = this.scene();
    this.original = scene.mask().slice();
    this.before = this.original;
    this.viewport.showMask();
    this.viewport.onDrawn = (action) => {
      if (action === "draw") this.did("stroke");
      this.showVolume();
    };
    this.element.replaceChildren(this.tools(), this.problem);
    this.takeUp();
    this.showVolume();
    watchUnsaved(() => this.done.length > 0);
    announce("Editing. Draw on a plane.");
  }

  private tools(): HTMLElement {
    const width = slider("pen", "Width", [1, 20, this.widthMm], (mm) => {
      this.widthMm = mm;
      this.takeUp();
    });
    const choose = (tool: Tool) => {
      this.tool = tool;
      this.takeUp();
    };
    return h(
      "div",
      { class: "controls" },
      segmented("Draw with", "tool", [["brush", "Brush"], ["eraser", "Eraser"]], this.tool, choose),
      width.element,
      h(
        "div",
        { class: "row" },
        this.undoButton,
        this.redoButton,
        h("button", { type: "button", onclick: () => this.fill(), title: `Carries your edits to slices up to ${REACH_MM} mm away, fading with distance` }, "Smart fill"),
      ),
      this.volume,
      h(
        "div",
        { class: "row end" },
        h("button", { type: "button", onclick: () => this.discard() }, "Discard"),
        h("button", { type: "button", class: "primary", onclick: () => void this.save() }, "Save the mask"),
      ),
      h("p", { class: "small wide" }, `Edit one slice, or every few, then press Smart fill: the change is carried to the slices within ${REACH_MM} mm, fading with distance. Keys on the planes: B brush, E eraser, Space draws at the crosshair (on the plane shown alone, otherwise on A), F smart fill, Z undo, Y redo.`),
    );
  }

  private takeUp(): void {
    const scene = this.scene();
    const voxel = Math.min(...scene.grid().spacing);
    this.pen = { width: Math.max(1, Math.round(this.widthMm / voxel)), erase: this.tool === "eraser" };
    scene.draw(this.pen);
  }

  private drawAtCrosshair(): void {
    this.scene().drawAtCrosshair(this.viewport.plane, this.pen);
    this.did("stroke");
    announce(`${this.pen.erase ? "Erased" : "Drawn"} at the crosshair: ${this.volume.textContent}`);
  }

  private stop(): void {
    this.viewport.scene?.draw(null);
    this.viewport.onDrawn = () => undefined;
    this.before = this.original = null;
    this.done = [];
    this.undone = [];
    watchUnsaved(null);
    this.problem.replaceChildren();
  }

  private shortcut(key: string): void {
    if (!this.before) return;
    if (key === "z") this.undo();
    if (key === "y") this.redo();
    if (key === "f") this.fill();
    if (key === " ") this.drawAtCrosshair();
    const tool = { b: "brush", e: "eraser" }[key];
    const radio = tool && this.element.querySelector<HTMLInputElement>(`input[value="${tool}"]`);
    if (radio) radio.click();
  }

  private undo(): void {
    const last = this.done.pop();
    if (!last) return;
    const after = this.scene().mask().slice();
    if (last !== "stroke") this.before = last;
    this.scene().undo();
    this.undone.push({ change: difference(this.scene().mask(), after), step: last });
    this.showVolume();
  }

  private redo(): void {
    const last = this.undone.pop();
    if (!last) return;
    const mask = this.scene().mask().slice();
    const step = last.step === "stroke" ? last.step : this.before!;
    last.change.at.forEach((voxel, index) => (mask[voxel] = last.change.values[index]!));
    this.scene().replaceMask(mask);
    if (last.step !== "stroke") this.before = mask.slice();
    this.done.push(step);
    this.showVolume();
  }

  /** A new step is done: what was undone before it cannot be done again. */
  private did(step: "stroke" | Uint8Array): void {
    this.done.push(step);
    this.undone = [];
    this.showVolume();
  }

  private fill(): void {
    const scene = this.scene();
    const filled = smartFill(this.before!, scene.mask(), scene.grid(), REACH_MM);
    scene.replaceMask(filled);
    const before = this.before!;
    this.before = filled.slice();
    this.did(before);
    announce("Your edits were carried to the neighbouring slices.");
  }

  private discard(): void {
    if (this.done.length > 0 && !window.confirm("Discard your edits to the mask?")) return;
    this.scene().replaceMask(this.original!);
    this.scene().redrawSurface();
    this.showStart();
    announce("The edits were discarded.");
  }

  private async save(): Promise<void> {
    try {
      const content = await gzipped(await this.scene().saved());
      const edit = await this.api.json<Edit>(`/segmentations/${this.report.id}/mask`, { method: "PUT", body: content });
      this.scene().redrawSurface();
      this.showStart();
      this.onSaved(edit);
    } catch (error) {
      this.problem.replaceChildren(problemBox(error));
    }
  }

  private showVolume(): void {
    const now = this.scene().volumeMl();
    const measured = this.report.head_volume_ml;
    const change = measured === null ? "0" : signed(now - measured);
    this.undoButton.disabled = this.done.length === 0;
    this.redoButton.disabled = this.undone.length === 0;
    this.volume.textContent = `${millilitres(now)} mL${measured === null ? "" : ` (${change === "0" ? "as measured" : change})`}`;
  }

  private scene(): Scene {
    if (!this.viewport.scene) throw new Error("the planes are not open");
    return this.viewport.scene;
  }
}

/** Voxels in which two masks differ, and what they are in the second. */
interface Change {
  at: Uint32Array;
  values: Uint8Array;
}

function difference(one: Uint8Array, other: Uint8Array): Change {
  const at: number[] = [];
  for (let voxel = 0; voxel < other.length; voxel++) if (one[voxel] !== other[voxel]) at.push(voxel);
  return { at: Uint32Array.from(at), values: Uint8Array.from(at, (voxel) => other[voxel]!) };
}

async function gzipped(content: Uint8Array): Promise<Blob> {
  const stream = new Blob([content as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream).blob();
}
