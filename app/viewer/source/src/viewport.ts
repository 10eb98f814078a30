// The frame with the planes and the surface, its controls, and the sliders that move through it.

import { isNifti, readable } from "./readable";
import type { Api } from "./api";
import { h } from "./dom";
import { type Layer, type LayerChoice, layerControls, legend, slider } from "./controls";
import { Complaint, problemBox } from "./problem";
import type { MapKind, PlaneName, Scene, Tile } from "./scene";
import type { Report } from "./types";

const NAMES: PlaneName[] = ["A", "B", "C"];
const QUARTERS: Record<PlaneName | "3D", Tile> = {
  A: [0, 0, 0.5, 0.5],
  B: [0.5, 0, 0.5, 0.5],
  C: [0, 0.5, 0.5, 0.5],
  "3D": [0.5, 0.5, 0.5, 0.5],
};
const WHOLE: Tile = [0, 0, 1, 1];
const TURN_DEGREES = 8;
const KEYS: Record<string, [PlaneName, number]> = {
  ArrowLeft: ["C", -1],
  ArrowRight: ["C", 1],
  ArrowUp: ["B", 1],
  ArrowDown: ["B", -1],
  PageUp: ["A", 1],
  PageDown: ["A", -1],
};
const TURNS: Record<string, [number, number]> = {
  ArrowLeft: [-TURN_DEGREES, 0],
  ArrowRight: [TURN_DEGREES, 0],
  ArrowUp: [0, TURN_DEGREES],
  ArrowDown: [0, -TURN_DEGREES],
};
const HINT =
  "Click or drag to move the crosshair, scroll to go through the slices, drag with the right button to change the contrast. " +
  "Keys: arrows, Page Up and Page Down.";
const UNDRAWN =
  "The planes show the mask alone: this page draws scans of NIfTI files only. The preview shows the outline in the scan.";

export class Viewport {
  readonly element: HTMLElement;
  /** Where further tools are put, above the planes. */
  readonly tools = h("div", {});
  scene: Scene | null = null;
  /** Said of a scan in a format that is measured, but not drawn here. */
  private readonly undrawn = h("p", { class: "small", hidden: true }, UNDRAWN);
  hasVolume = false;
  onDrawn: (action: string) => void = () => undefined;
  onOpened: () => void = () => undefined;
  onShortcut: (key: string) => void = () => undefined;
  private readonly planes = canvas("Three planes through the volume. Arrow keys, Page Up and Page Down move through it.");
  private readonly surface = canvas("The head's surface. Arrow keys turn it.");
  private readonly frame = h("div", { class: "frame", "data-view": "all" });
  private readonly legend = h("div", {});
  private readonly sliders = new Map<PlaneName, HTMLInputElement>();
  private readonly maps = new Map<MapKind, ArrayBuffer>();
  private readonly resized = new ResizeObserver(() => this.scene && this.arrange());
  private drawing: Promise<void> = Promise.resolve();
  private opening: Promise<Scene> | null = null;
  private choice: LayerChoice = { layer: "outline", opacity: 0.5, view: "all", contrast: "head" };

  constructor(
    private readonly api: Api,
    private readonly report: Report,
  ) {
    this.frame.append(
      h("div", { class: "tile planes" }, this.planes),
      h("div", { class: "tile surface" }, this.surface),
      ...[...NAMES, "3D"].map((name) => h("span", { class: "tile-name", "data-tile": name, "aria-hidden": "true" }, name)),
      h("p", { class: "loading" }, "Loading the planes"),
    );
    this.element = h(
      "div",
      { class: "viewport" },
      layerControls(this.choice, (choice) => void this.choose(choice)),
      this.tools,
      this.frame,
      this.legend,
      h("div", { class: "positions" }, ...NAMES.map((name) => this.slider(name))),
      this.undrawn,
      h("p", { class: "small hint" }, HINT),
    );
    this.resized.observe(this.frame);
    this.listenToKeys();
  }

  /** Draws the mask, over the volume where that is at hand; one after the other where it is asked twice. */
  open(volume: File | null): Promise<void> {
    this.drawing = this.drawing.then(() => this.draw(volume));
    return this.drawing;
  }

  private async draw(volume: File | null): Promise<void> {
    try {
      const [scene, mask, content] = await Promise.all([
        this.ready(),
        this.api.bytes(`/segmentations/${this.report.id}/mask`),
        volume?.arrayBuffer() ?? null,
      ]);
      const supplied = this.report.flags.some((flag) => flag.code === "spacing_supplied");
      const plain = content && readable(content);
      const drawn = plain && isNifti(plain) ? plain : null;
      await scene.load({ volume: drawn, mask, spacing: supplied ? this.report.input.spacing_mm : null });
      scene.onMove = () => this.showPositions();
      scene.onDrawn = (action) => this.onDrawn(action);
      this.scene = scene;
      this.arrange();
      this.showPositions();
      await this.choose(this.choice);
      this.hasVolume = drawn !== null;
      this.undrawn.hidden = plain === null || drawn !== null;
      this.onOpened();
      this.frame.dataset.ready = drawn ? "volume" : "mask";
    } catch (error) {
      this.frame.replaceChildren(problemBox(withoutGraphics(error)));
    }
  }

  /** The scene, opened once: what is shown in it may change. */
  private ready(): Promise<Scene> {
    this.opening ??= import("./scene").then(({ Scene }) => Scene.open({ planes: this.planes, surface: this.surface }));
    return this.opening;
  }

  close(): void {
    this.resized.disconnect();
    this.scene?.close();
  }

  /** The plane that keys draw on: the one that is shown alone, else A, in which the arrows move. */
  get plane(): PlaneName {
    return NAMES.find((name) => name === this.choice.view) ?? "A";
  }

  /** Shows the mask itself, whatever lay over the volume before; for drawing on it. */
  showMask(): void {
    const radio = this.element.querySelector<HTMLInputElement>('input[name="layer"][value="filled"]');
    if (radio && !radio.checked) radio.click();
  }

  private async choose(choice: LayerChoice): Promise<void> {
    const { scene } = this;
    const before = this.choice;
    this.choice = choice;
    if (!scene) return;
    if (choice.view !== before.view) this.arrange();
    if (choice.contrast !== before.contrast || choice === before) scene.setContrast(choice.contrast);
    const map = mapOf(choice.layer);
    scene.styleMask(map ? "outline" : (choice.layer as "outline" | "filled" | "hidden"), choice.opacity);
    if (map && map === mapOf(before.layer) && this.legend.hasChildNodes()) return scene.fadeMap(choice.opacity);
    try {
      await scene.showMap(map, map && (await this.mapContent(map)), choice.opacity);
      const { MAP_COLOURS } = await import("./scene");
      this.legend.replaceChildren(...(map ? [legend(map, MAP_COLOURS[map])] : []));
    } catch (error) {
      this.legend.replaceChildren(problemBox(error));
    }
  }

  private async mapContent(kind: MapKind): Promise<ArrayBuffer> {
    const known = this.maps.get(kind) ?? (await this.api.bytes(`/segmentations/${this.report.id}/${kind}`));
    this.maps.set(kind, known);
    return known;
  }

  private readonly arrange = (): void => {
    const { view } = this.choice;
    this.frame.dataset.view = view;
    for (const label of this.frame.querySelectorAll<HTMLElement>("[data-tile]")) {
      const name = label.dataset.tile as PlaneName | "3D";
      const [left, top] = view === "all" ? QUARTERS[name] : WHOLE;
      label.hidden = view !== "all" && view !== name;
      label.style.left = `${100 * left}%`;
      label.style.top = `${100 * top}%`;
    }
    place(this.surface.parentElement!, view === "all" ? QUARTERS["3D"] : WHOLE, view === "all" || view === "3D");
    place(this.planes.parentElement!, WHOLE, view !== "3D");
    const shown = view === "all" || view === "3D" ? QUARTERS : { [view]: WHOLE };
    this.scene?.arrange(Object.fromEntries(NAMES.filter((name) => name in shown).map((name) => [name, (shown as Record<string, Tile>)[name]!])));
  };

  private slider(name: PlaneName): HTMLElement {
    const { element, input } = slider(`plane-${name}`, `Plane ${name}`, [1, 1, 1], (slice) => this.scene?.move(name, slice - 1));
    this.sliders.set(name, input);
    return element;
  }

  private showPositions(): void {
    for (const [name, slider] of this.sliders) {
      const { at, count } = this.scene!.position(name);
      slider.max = String(count);
      slider.value = String(at + 1);
      slider.setAttribute("aria-valuetext", `slice ${at + 1} of ${count}`);
    }
  }

  private listenToKeys(): void {
    this.planes.addEventListener("keydown", (event) => {
      const step = KEYS[event.key];
      if (event.key === " ") event.preventDefault();
      if (!step) this.onShortcut(event.key.toLowerCase());
      if (!step || !this.scene) return;
      event.preventDefault();
      const [name, by] = step;
      const { at, count } = this.scene.position(name);
      this.scene.move(name, Math.max(0, Math.min(count - 1, at + by)));
    });
    this.surface.addEventListener("keydown", (event) => {
      const turn = TURNS[event.key];
      if (!turn || !this.scene) return;
      event.preventDefault();
      this.scene.turnSurface(...turn);
    });
  }
}

function canvas(label: string): HTMLCanvasElement {
  return h("canvas", { tabindex: 0, role: "img", "aria-label": label });
}

function place(tile: HTMLElement, [left, top, width, height]: Tile, shown: boolean): void {
  Object.assign(tile.style, { left: `${100 * left}%`, top: `${100 * top}%`, width: `${100 * width}%`, height: `${100 * height}%` });
  tile.style.visibility = shown ? "visible" : "hidden";
}

function mapOf(layer: Layer): MapKind | null {
  return layer === "probability" || layer === "disagreement" ? layer : null;
}

/** The commonest reason for planes that cannot be drawn, in words. */
function withoutGraphics(error: unknown): unknown {
  const supported = document.createElement("canvas").getContext("webgl2") !== null;
  if (supported) return error;
  return new Complaint("This browser cannot draw the planes", "Turn on hardware acceleration (WebGL2), or use a current Chrome, Edge, Firefox or Safari. The picture under Download needs neither");
}
