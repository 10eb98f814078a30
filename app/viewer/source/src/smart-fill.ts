// Carries edits of single slices to their neighbours: each slice's change of its signed distance fades with distance.

export interface Grid {
  dims: [number, number, number];
  spacing: [number, number, number];
}

export type Axis = 0 | 1 | 2;

interface Slice {
  index: number;
  change: Float32Array;
}

interface Plane {
  axis: Axis;
  width: number;
  height: number;
  pixel: [number, number];
}

/** Slices along an axis on which two masks differ. */
export function editedSlices(before: Uint8Array, after: Uint8Array, grid: Grid, axis: Axis): number[] {
  const touched = new Set<number>();
  const [ni, nj] = grid.dims;
  for (let at = 0; at < after.length; at++) {
    if (before[at] === after[at]) continue;
    touched.add(axis === 0 ? at % ni : axis === 1 ? Math.floor(at / ni) % nj : Math.floor(at / (ni * nj)));
  }
  return [...touched].sort((a, b) => a - b);
}

/** The axis that the reader drew across: the one along which the fewest slices changed. */
export function editedAxis(before: Uint8Array, after: Uint8Array, grid: Grid): Axis {
  const axes: Axis[] = [0, 1, 2];
  const counts = axes.map((axis) => editedSlices(before, after, grid, axis).length / grid.dims[axis]);
  return axes.reduce((best, axis) => (counts[axis]! < counts[best]! ? axis : best), 2 as Axis);
}

/**
 * The mask with its edits carried to neighbouring slices, fading over `reachMm`; slices that were edited stay as drawn.
 *
 * Between two edited slices both changes are blended, so that editing every tenth slice edits those in between.
 */
export function smartFill(before: Uint8Array, after: Uint8Array, grid: Grid, reachMm: number): Uint8Array {
  const axis = editedAxis(before, after, grid);
  const plane = planeOf(grid, axis);
  const cap = 2 * reachMm;
  const distance = (mask: Uint8Array, index: number) => signedDistance(cut(mask, grid, plane, index), plane, cap);
  const slices = editedSlices(before, after, grid, axis).map((index): Slice => {
    const change = distance(after, index);
    distance(before, index).forEach((value, at) => (change[at]! -= value));
    return { index, change };
  });
  const filled = after.slice();
  const edited = new Set(slices.map((slice) => slice.index));
  for (let index = 0; index < grid.dims[axis]; index++) {
    const near = slices
      .map((slice) => ({ slice, weight: fading(Math.abs(slice.index - index) * grid.spacing[axis], reachMm) }))
      .filter(({ weight }) => weight > 0);
    if (edited.has(index) || near.length === 0) continue;
    const total = Math.max(1, near.reduce((sum, { weight }) => sum + weight, 0));
    const shape = distance(after, index);
    for (const { slice, weight } of near) slice.change.forEach((value, at) => (shape[at]! += (weight / total) * value));
    paste(filled, grid, plane, index, shape);
  }
  return filled;
}

function fading(distanceMm: number, reachMm: number): number {
  return distanceMm >= reachMm ? 0 : 0.5 + 0.5 * Math.cos((Math.PI * distanceMm) / reachMm);
}

function planeOf(grid: Grid, axis: Axis): Plane {
  const [first, second] = ([0, 1, 2] as const).filter((other) => other !== axis) as [Axis, Axis];
  return {
    axis,
    width: grid.dims[first],
    height: grid.dims[second],
    pixel: [grid.spacing[first], grid.spacing[second]],
  };
}

/** Positions of a slice's pixels in the volume: where it begins, and the steps along its width and height. */
function layout(grid: Grid, plane: Plane, index: number): [start: number, step: number, row: number] {
  const steps = [1, grid.dims[0], grid.dims[0] * grid.dims[1]] as const;
  const [first, second] = ([0, 1, 2] as const).filter((axis) => axis !== plane.axis) as [Axis, Axis];
  return [index * steps[plane.axis], steps[first], steps[second]];
}

function cut(mask: Uint8Array, grid: Grid, plane: Plane, index: number): Uint8Array {
  const [start, step, row] = layout(grid, plane, index);
  const slice = new Uint8Array(plane.width * plane.height);
  for (let y = 0; y < plane.height; y++)
    for (let x = 0; x < plane.width; x++) slice[y * plane.width + x] = mask[start + y * row + x * step]!;
  return slice;
}

function paste(mask: Uint8Array, grid: Grid, plane: Plane, index: number, shape: Float32Array): void {
  const [start, step, row] = layout(grid, plane, index);
  for (let y = 0; y < plane.height; y++)
    for (let x = 0; x < plane.width; x++)
      mask[start + y * row + x * step] = shape[y * plane.width + x]! > 0 ? 1 : 0;
}

/** Distance of each pixel's centre to the outline in mm, positive inside, at most `cap` either way. */
export function signedDistance(slice: Uint8Array, plane: Pick<Plane, "width" | "height" | "pixel">, cap: number): Float32Array {
  const toHead = squaredDistance(slice, 1, plane, cap);
  const toOutside = squaredDistance(slice, 0, plane, cap);
  const half = Math.min(...plane.pixel) / 2;
  return toHead.map((outside, at) => (slice[at] ? Math.sqrt(toOutside[at]!) - half : half - Math.sqrt(outside)));
}

/** Squared distance of each pixel to the nearest one with a value, mm², by the lower envelope of parabolas. */
function squaredDistance(
  slice: Uint8Array,
  value: number,
  { width, height, pixel }: Pick<Plane, "width" | "height" | "pixel">,
  cap: number,
): Float32Array {
  const squared = Float32Array.from(slice, (found) => (found === value ? 0 : cap * cap));
  for (let x = 0; x < width; x++) envelope(squared, x, width, height, pixel[1]);
  for (let y = 0; y < height; y++) envelope(squared, y * width, 1, width, pixel[0]);
  return squared;
}

function envelope(values: Float32Array, start: number, step: number, count: number, spacing: number): void {
  const heights = new Float32Array(count);
  for (let at = 0; at < count; at++) heights[at] = values[start + at * step]!;
  const vertex = new Int32Array(count);
  const border = new Float32Array(count + 1).fill(-Infinity);
  let last = 0;
  const meeting = (p: number, q: number) =>
    (heights[q]! - heights[p]! + spacing * spacing * (q * q - p * p)) / (2 * spacing * spacing * (q - p));
  for (let at = 1; at < count; at++) {
    while (last > 0 && meeting(vertex[last]!, at) <= border[last]!) last--;
    const met = meeting(vertex[last]!, at);
    if (met > border[last]!) border[++last] = met;
    vertex[last] = at;
  }
  let piece = 0;
  for (let at = 0; at < count; at++) {
    while (piece < last && border[piece + 1]! < at) piece++;
    const offset = (at - vertex[piece]!) * spacing;
    values[start + at * step] = offset * offset + heights[vertex[piece]!]!;
  }
}
