// Drawing on the mask: brush, eraser, undo, a fill that carries an edit to neighbouring slices, and saving.

import type { Api } from "./api";
import { announce, h } from "./dom";
import { segmented, slider } from "./controls";
import { problemBox } from "./problem";
import type { Pen, Scene } from "./scene";
import { smartFill } from "./smart-fill";
import type { Edit, Report } from "./types";
import { millilitres, signed } from "./words";
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
      if (action === "draw") this.done.push("stroke");
      this.showVolume();
    };
    this.element.replaceChildren(this.tools(), this.problem);
    this.takeUp();
    this.showVolume();
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
        h("button", { type: "button", onclick: () => this.undo() }, "Undo"),
        h("button", { type: "button", onclick: () => this.fill(), title: `Carries your edits to slices up to ${REACH_MM} mm away, fading with distance` }, "Smart fill"),
      ),
      this.volume,
      h(
        "div",
        { class: "row end" },
        h("button", { type: "button", onclick: () => this.discard() }, "Discard"),
        h("button", { type: "button", class: "primary", onclick: () => void this.save() }, "Save the mask"),
      ),
      h("p", { class: "small wide" }, `Edit one slice, or every few, then press Smart fill: the change is carried to the slices within ${REACH_MM} mm, fading with distance. Keys on the planes: B brush, E eraser, Space draws at the crosshair (on the plane shown alone, otherwise on A), F smart fill, Z undo.`),
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
    this.done.push("stroke");
    announce(`${this.pen.erase ? "Erased" : "Drawn"} at the crosshair: ${this.volume.textContent}`);
  }

  private stop(): void {
    this.viewport.scene?.draw(null);
    this.viewport.onDrawn = () => undefined;
    this.before = this.original = null;
    this.done = [];
    this.problem.replaceChildren();
  }

  private shortcut(key: string): void {
    if (!this.before) return;
    if (key === "z") this.undo();
    if (key === "f") this.fill();
    if (key === " ") this.drawAtCrosshair();
    const tool = { b: "brush", e: "eraser" }[key];
    const radio = tool && this.element.querySelector<HTMLInputElement>(`input[value="${tool}"]`);
    if (radio) radio.click();
  }

  private undo(): void {
    const last = this.done.pop();
    if (!last) return;
    if (last !== "stroke") this.before = last;
    this.scene().undo();
    this.showVolume();
  }

  private fill(): void {
    const scene = this.scene();
    const filled = smartFill(this.before!, scene.mask(), scene.grid(), REACH_MM);
    scene.replaceMask(filled);
    this.done.push(this.before!);
    this.before = filled.slice();
    announce("Your edits were carried to the neighbouring slices.");
  }

  private discard(): void {
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
    this.volume.textContent = `${millilitres(now)} mL${measured === null ? "" : ` (${change === "0" ? "as measured" : change})`}`;
  }

  private scene(): Scene {
    if (!this.viewport.scene) throw new Error("the planes are not open");
    return this.viewport.scene;
  }
}

async function gzipped(content: Uint8Array): Promise<Blob> {
  const stream = new Blob([content as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Response(stream).blob();
}
