// Three planes and a surface in one frame: NiiVue draws them, this module says what.

import { type Contrast, type Window, greyWindows } from "./grey-window";
import { NVImage, NVMesh, Niivue, SHOW_RENDER, SLICE_TYPE } from "@niivue/niivue";
import type { Axis, Grid } from "./smart-fill";
import { boundingBox, maskSurface } from "./surface";

export type View = "all" | "A" | "B" | "C" | "3D";
export type Tile = [left: number, top: number, width: number, height: number];
export type PlaneName = "A" | "B" | "C";
export type MaskStyle = "outline" | "filled" | "hidden";
export type MapKind = "probability" | "disagreement";

/** How wide the pen is, in voxels, and whether it erases. */
export interface Pen {
  width: number;
  erase: boolean;
}

/** Colours of a map, from nothing to 1; the legend is drawn from the same stops. */
export const MAP_COLOURS: Record<MapKind, [number, number, number][]> = {
  probability: [[38, 20, 92], [40, 84, 156], [22, 150, 142], [120, 206, 84], [253, 231, 64]],
  disagreement: [[60, 16, 60], [150, 32, 92], [224, 74, 64], [250, 156, 52], [255, 246, 186]],
};

const PLANES: Record<PlaneName, { slice: SLICE_TYPE; axis: Axis }> = {
  A: { slice: SLICE_TYPE.AXIAL, axis: 2 },
  B: { slice: SLICE_TYPE.CORONAL, axis: 1 },
  C: { slice: SLICE_TYPE.SAGITTAL, axis: 0 },
};
const OUTLINE_COLOUR = { R: [0, 72], G: [0, 226], B: [0, 214], A: [0, 255], I: [0, 1], labels: ["", "head"] };
const SURFACE_COLOUR = [96, 206, 198, 255];
const BARELY = 0.004;
const MM3_PER_ML = 1000;
const FAINTEST = 0.08;
/** Of its tile, a plane's longest side: NiiVue refuses planes that touch, and rounding makes neighbours do so. */
const WITHIN = 0.998;
/** What is left of a mask's grey where no volume lies below it. */
const DIM = 6;

const QUIET = {
  show3Dcrosshair: false,
  isOrientationTextVisible: false,
  isOrientCube: false,
  isColorbar: false,
  isRuler: false,
  dragAndDropEnabled: false,
  scrollRequiresFocus: true,
  multiplanarShowRender: SHOW_RENDER.NEVER,
  logLevel: "error" as const,
  loadingText: "",
  crosshairWidth: 0.35,
  crosshairWidthUnit: "mm" as const,
  crosshairGap: 10,
  crosshairColor: [0.95, 0.77, 0.35, 0.7],
  backColor: [0.035, 0.047, 0.058, 1],
  maxDrawUndoBitmaps: 24,
  isAntiAlias: true,
  forceDevicePixelRatio: 1,
};

export class Scene {
  onMove: () => void = () => undefined;
  onDrawn: (action: string) => void = () => undefined;
  private map: NVImage | null = null;
  private windows: Record<Contrast, Window> | null = null;
  private mesh: NVMesh | null = null;

  private constructor(
    private readonly planes: Niivue,
    private readonly surface: Niivue,
  ) {}

  /** An empty scene on two canvases. */
  static async open(canvases: { planes: HTMLCanvasElement; surface: HTMLCanvasElement }): Promise<Scene> {
    for (const canvas of Object.values(canvases)) muteKeys(canvas);
    const planes = new Niivue({ ...QUIET });
    const surface = new Niivue({ ...QUIET });
    await planes.attachToCanvas(canvases.planes, true);
    await surface.attachToCanvas(canvases.surface, true);
    const scene = new Scene(planes, surface);
    // NiiVue blackens what is behind its canvases; beside each other, some browsers then paint it over the neighbour.
    for (const canvas of Object.values(canvases)) canvas.parentElement!.style.removeProperty("background-color");
    planes.onLocationChange = () => scene.onMove();
    planes.onDrawingChanged = (action) => scene.onDrawn(action);
    return scene;
  }

  /** Shows a mask, over the volume it was found in where that is at hand, in place of what was shown before. */
  async load({ volume, mask, spacing }: { volume: ArrayBuffer | null; mask: ArrayBuffer; spacing: number[] | null }): Promise<void> {
    const head = await image(mask, "mask.nii.gz");
    const base = await image(volume ?? mask.slice(0), volume ? "volume.nii.gz" : "mask.nii.gz");
    if (!volume) base.cal_max = DIM;
    if (spacing) [base, head].forEach((image) => scaled(image, spacing));
    this.planes.closeDrawing();
    while (this.planes.volumes.length > 0) this.planes.removeVolumeByIndex(0);
    this.map = null;
    this.windows = volume ? greyWindows(base.img!, head.img!) : null;
    this.planes.addVolume(base);
    if (!this.planes.loadDrawing(head)) throw new Error("the mask is not on the volume's grid");
    this.planes.setDrawColormap(OUTLINE_COLOUR as unknown as string);
    this.goToMiddle();
    this.redrawSurface();
  }

  /** Which grey values are black and white; as the library finds them where the head has none. */
  setContrast(contrast: Contrast): void {
    const base = this.planes.volumes[0];
    if (!base || !this.windows) return;
    const { scl_slope: slope, scl_inter: intercept } = base.hdr!;
    const [low, high] = this.windows[contrast].map((value) => value * (slope || 1) + intercept) as Window;
    Object.assign(base, { cal_min: Math.min(low, high), cal_max: Math.max(low, high) });
    this.planes.updateGLVolume();
  }

  /** How the mask lies over the volume. */
  styleMask(style: MaskStyle, opacity: number): void {
    this.planes.drawRimOpacity = style === "hidden" ? -1 : 1;
    const fill = style === "filled" ? Math.max(BARELY, opacity) : BARELY;
    this.planes.setDrawOpacity(style === "hidden" ? 0 : fill);
    this.planes.drawScene();
  }

  /** Lays a map over the volume, or takes it away. */
  async showMap(kind: MapKind | null, content: ArrayBuffer | null, opacity: number): Promise<void> {
    if (this.map) this.planes.removeVolume(this.map);
    this.map = null;
    if (!kind || !content) return;
    this.planes.addColormap(kind, colourTable(MAP_COLOURS[kind]));
    const map = await image(content, `${kind}.nii.gz`);
    Object.assign(map, { cal_min: FAINTEST, cal_max: 1, opacity });
    map.colormap = kind;
    this.planes.addVolume(map);
    this.map = map;
  }

  fadeMap(opacity: number): void {
    if (this.map) this.planes.setOpacity(1, opacity);
  }

  /** Lays out the planes: `tiles` are left, top, width and height as fractions of the frame. All share one scale. */
  arrange(tiles: Partial<Record<PlaneName, Tile>>): void {
    const { clientWidth, clientHeight } = this.planes.canvas!;
    const sized = (Object.entries(tiles) as [PlaneName, Tile][]).map(([name, tile]) => ({ name, tile, size: this.extentMm(name) }));
    const scale = WITHIN * Math.min(
      ...sized.flatMap(({ tile, size }) => [(tile[2] * clientWidth) / size[0], (tile[3] * clientHeight) / size[1]]),
    );
    const layout = sized.map(({ name, tile: [left, top, width, height], size }) => {
      const [w, h] = [(size[0] * scale) / clientWidth, (size[1] * scale) / clientHeight];
      return { sliceType: PLANES[name].slice, position: [left + (width - w) / 2, top + (height - h) / 2, w, h] as Tile };
    });
    this.planes.setCustomLayout(layout);
    this.planes.resizeListener();
    this.surface.resizeListener();
  }

  /** Width and height of a plane, mm. */
  private extentMm(name: PlaneName): [number, number] {
    const { dims, spacing } = this.grid();
    const [across, up] = ([0, 1, 2] as const).filter((axis) => axis !== PLANES[name].axis) as [Axis, Axis];
    return [dims[across] * spacing[across], dims[up] * spacing[up]];
  }

  /** How many slices a plane can be moved through, and where it is (0-based). */
  position(plane: PlaneName): { at: number; count: number } {
    const { axis } = PLANES[plane];
    const voxel = this.planes.frac2vox(this.planes.scene.crosshairPos);
    return { at: Math.round(voxel[axis]!), count: this.grid().dims[axis] };
  }

  move(plane: PlaneName, to: number): void {
    const step: [number, number, number] = [0, 0, 0];
    step[PLANES[plane].axis] = to - this.position(plane).at;
    this.planes.moveCrosshairInVox(...step);
    this.onMove();
  }

  turnSurface(azimuth: number, elevation: number): void {
    const { renderAzimuth, renderElevation } = this.surface.scene;
    this.surface.setRenderAzimuthElevation(renderAzimuth + azimuth, renderElevation + elevation);
  }

  /** Size of the grid in the order in which planes are named. */
  grid(): Grid {
    const { dimsRAS, pixDimsRAS } = this.planes.volumes[0]!;
    const [, i, j, k] = dimsRAS as [number, number, number, number];
    const [, x, y, z] = pixDimsRAS as [number, number, number, number];
    return { dims: [i, j, k], spacing: [x, y, z] };
  }

  /** The mask as it is drawn now. */
  mask(): Uint8Array {
    return this.planes.drawBitmap as Uint8Array;
  }

  volumeMl(): number {
    const { spacing } = this.grid();
    let voxels = 0;
    for (const value of this.mask()) if (value) voxels++;
    return (voxels * spacing[0] * spacing[1] * spacing[2]) / MM3_PER_ML;
  }

  /** Takes the pen up; null puts it down. */
  draw(pen: Pen | null): void {
    this.planes.setDrawingEnabled(pen !== null);
    this.planes.canvas!.style.cursor = pen ? "crosshair" : "";
    if (!pen) return;
    this.planes.opts.penSize = pen.width;
    this.planes.setPenValue(pen.erase ? 0 : 1, false);
  }

  /** Draws with the pen where the crosshair is, in a plane; what a click does, for those who use keys. */
  drawAtCrosshair(plane: PlaneName, pen: Pen): void {
    const [i, j, k] = [...this.planes.frac2vox(this.planes.scene.crosshairPos)].map(Math.round) as [number, number, number];
    this.planes.drawPenAxCorSag = PLANES[plane].slice;
    this.planes.drawPt(i, j, k, pen.erase ? 0 : 1);
    this.replaceMask(this.mask());
  }

  undo(): void {
    this.planes.drawUndo();
  }

  /** Puts another mask in place of the drawn one; it can be undone. */
  replaceMask(mask: Uint8Array): void {
    this.planes.drawBitmap = mask;
    this.planes.drawAddUndoBitmap();
    this.planes.refreshDrawing(true);
    this.onDrawn("replace");
  }

  /** The mask as a NIfTI file on the volume's grid. */
  async saved(): Promise<Uint8Array> {
    const content = await this.planes.saveImage({ filename: "", isSaveDrawing: true, volumeByIndex: 0 });
    if (!(content instanceof Uint8Array)) throw new Error("there is no mask to save");
    return content;
  }

  redrawSurface(): void {
    const affine = this.planes.volumes[0]!.matRAS as Float32Array;
    const rows = [0, 1, 2, 3].map((row) => [0, 1, 2, 3].map((column) => affine[row * 4 + column]!));
    const found = maskSurface({ data: this.mask(), dims: this.grid().dims, affine: rows });
    if (this.mesh) this.surface.removeMesh(this.mesh);
    this.mesh = null;
    if (!found) return;
    const colour = new Uint8Array(SURFACE_COLOUR);
    this.mesh = new NVMesh(found.points, found.triangles, "head", colour, 1, true, this.surface.gl);
    this.surface.addMesh(this.mesh);
    this.surface.setSliceType(SLICE_TYPE.RENDER);
  }

  close(): void {
    this.planes.cleanup();
    this.surface.cleanup();
  }

  private goToMiddle(): void {
    const { dims } = this.grid();
    const box = boundingBox({ data: this.mask(), dims }) ?? { low: [0, 0, 0], high: dims };
    const middle = ([0, 1, 2] as const).map((axis) => Math.floor((box.low[axis] + box.high[axis]) / 2));
    this.planes.scene.crosshairPos = this.planes.vox2frac(middle as [number, number, number]);
    this.planes.drawScene();
  }
}

/** Tells an image whose file does not say it how large its voxels are, in mm. */
function scaled(image: NVImage, [x = 1, y = 1, z = 1]: number[]): void {
  image.hdr!.pixDims.splice(1, 3, x, y, z);
  image.hdr!.affine = [[x, 0, 0, 0], [0, y, 0, 0], [0, 0, z, 0], [0, 0, 0, 1]];
  image.calculateRAS();
}

async function image(buffer: ArrayBuffer, name: string): Promise<NVImage> {
  return NVImage.loadFromUrl({ url: name, name, buffer, colormap: "gray" });
}

/** The page has keys of its own; NiiVue's would open alerts. */
function muteKeys(canvas: HTMLCanvasElement): void {
  for (const kind of ["keydown", "keyup"]) {
    canvas.addEventListener(kind, (event) => {
      if ((event as KeyboardEvent).key === "Tab") return;
      event.stopImmediatePropagation();
      canvas.parentElement?.dispatchEvent(new KeyboardEvent(`plane-${kind}`, { key: (event as KeyboardEvent).key }));
    });
  }
}

function colourTable(stops: [number, number, number][]) {
  const at = stops.map((_, index) => Math.round((255 * index) / (stops.length - 1)));
  const channel = (index: 0 | 1 | 2) => stops.map((stop) => stop[index]);
  return { R: channel(0), G: channel(1), B: channel(2), A: stops.map((_, index) => (index === 0 ? 0 : 255)), I: at };
}
