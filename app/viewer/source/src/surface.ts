// A mask's surface as triangles: naive surface nets on a coarser grid, so that the surface is smooth and small.

export interface MaskGrid {
  data: Uint8Array;
  dims: [number, number, number];
  /** Rows of the affine from voxel indices to mm. */
  affine: number[][];
}

export interface Surface {
  points: Float32Array;
  triangles: Uint32Array;
}

interface Field {
  values: Float32Array;
  dims: [number, number, number];
  /** Voxels of the mask that one step of the field takes, and the index where it begins. */
  step: number;
  origin: [number, number, number];
}

const LONGEST_AXIS = 72;
const RIM = 3;
const SMOOTHINGS = 2;
const HALF = 0.5;

/** The surface in mm; null where the mask is empty. */
export function maskSurface(mask: MaskGrid): Surface | null {
  const box = boundingBox(mask);
  if (!box) return null;
  const field = smoothed(coarser(mask, box));
  const { vertices, index } = placeVertices(field);
  const points = new Float32Array(vertices.length);
  for (let at = 0; at < vertices.length; at += 3) {
    const voxel = [0, 1, 2].map((axis) => field.origin[axis]! + (vertices[at + axis]! + HALF) * field.step - HALF);
    for (let row = 0; row < 3; row++) {
      const [a, b, c, d] = mask.affine[row] as [number, number, number, number];
      points[at + row] = a * voxel[0]! + b * voxel[1]! + c * voxel[2]! + d;
    }
  }
  return { points, triangles: Uint32Array.from(joinVertices(field, index, determinant(mask.affine) < 0)) };
}

export type Box = { low: [number, number, number]; high: [number, number, number] };

/** First and last indices of the mask's voxels; null where it is empty. */
export function boundingBox({ data, dims }: Pick<MaskGrid, "data" | "dims">): Box | null {
  const low: [number, number, number] = [Infinity, Infinity, Infinity];
  const high: [number, number, number] = [-1, -1, -1];
  for (let k = 0, at = 0; k < dims[2]; k++)
    for (let j = 0; j < dims[1]; j++)
      for (let i = 0; i < dims[0]; i++, at++) {
        if (!data[at]) continue;
        low[0] = Math.min(low[0], i);
        low[1] = Math.min(low[1], j);
        low[2] = Math.min(low[2], k);
        high[0] = Math.max(high[0], i);
        high[1] = Math.max(high[1], j);
        high[2] = Math.max(high[2], k);
      }
  return high[0] < 0 ? null : { low, high };
}

/** Fractions of head in blocks of the mask, with an empty rim around. */
function coarser({ data, dims }: MaskGrid, { low, high }: Box): Field {
  const longest = Math.max(...([0, 1, 2] as const).map((axis) => high[axis] - low[axis] + 1));
  const step = Math.max(1, Math.ceil(longest / LONGEST_AXIS));
  const size = ([0, 1, 2] as const).map((axis) => Math.ceil((high[axis] - low[axis] + 1) / step) + 2 * RIM);
  const [ni, nj, nk] = size as [number, number, number];
  const values = new Float32Array(ni * nj * nk);
  const share = 1 / step ** 3;
  for (let k = low[2]; k <= high[2]; k++)
    for (let j = low[1]; j <= high[1]; j++) {
      const row = (k * dims[1] + j) * dims[0];
      const block = (RIM + Math.floor((k - low[2]) / step)) * nj + RIM + Math.floor((j - low[1]) / step);
      for (let i = low[0]; i <= high[0]; i++)
        if (data[row + i]) values[block * ni + RIM + Math.floor((i - low[0]) / step)]! += share;
    }
  return { values, dims: [ni, nj, nk], step, origin: [low[0] - RIM * step, low[1] - RIM * step, low[2] - RIM * step] };
}

/** Blurred along each axis by 1-2-1, so that voxels are not seen as stairs; the surface of a head moves by far less. */
function smoothed(field: Field): Field {
  const [ni, nj] = field.dims;
  let values = field.values;
  for (let round = 0; round < SMOOTHINGS; round++)
    for (const step of [1, ni, ni * nj]) {
      const before = values;
      values = before.map((value, at) => (2 * value + (before[at - step] ?? 0) + (before[at + step] ?? 0)) / 4);
    }
  return { ...field, values };
}

/** One vertex in each cell that the surface passes, at the mean of the points where it crosses the cell's edges. */
function placeVertices({ values, dims }: Field): { vertices: number[]; index: Int32Array } {
  const [ni, nj, nk] = dims;
  const index = new Int32Array(values.length).fill(-1);
  const vertices: number[] = [];
  for (let k = 0; k < nk - 1; k++)
    for (let j = 0; j < nj - 1; j++)
      for (let i = 0; i < ni - 1; i++) {
        const at = (k * nj + j) * ni + i;
        const vertex = cellVertex((di, dj, dk) => values[at + di + (dj + dk * nj) * ni]!);
        if (!vertex) continue;
        index[at] = vertices.length / 3;
        vertices.push(i + vertex[0], j + vertex[1], k + vertex[2]);
      }
  return { vertices, index };
}

const EDGES = [0, 1, 2].flatMap((axis) =>
  [0, 1, 2, 3].map((corner) => {
    const from = [0, 0, 0];
    from[(axis + 1) % 3] = corner & 1;
    from[(axis + 2) % 3] = corner >> 1;
    return { axis, from: from as [number, number, number] };
  }),
);

function cellVertex(value: (i: number, j: number, k: number) => number): [number, number, number] | null {
  const sum: [number, number, number] = [0, 0, 0];
  let crossings = 0;
  for (const { axis, from } of EDGES) {
    const a = value(...from);
    const to = from.map((at, other) => (other === axis ? 1 : at)) as [number, number, number];
    const b = value(...to);
    if (a >= HALF === b >= HALF) continue;
    crossings++;
    for (let other = 0; other < 3; other++) sum[other]! += other === axis ? (HALF - a) / (b - a) : from[other]!;
  }
  return crossings ? [sum[0] / crossings, sum[1] / crossings, sum[2] / crossings] : null;
}

/** Two triangles across each edge of the field that the surface crosses, wound so that they face outwards. */
function joinVertices({ values, dims }: Field, index: Int32Array, mirrored: boolean): number[] {
  const [ni, nj, nk] = dims;
  const steps = [1, ni, ni * nj] as const;
  const triangles: number[] = [];
  for (let k = 1; k < nk - 1; k++)
    for (let j = 1; j < nj - 1; j++)
      for (let i = 1; i < ni - 1; i++) {
        const at = (k * nj + j) * ni + i;
        const inside = values[at]! >= HALF;
        for (let axis = 0; axis < 3; axis++) {
          if (inside === values[at + steps[axis]!]! >= HALF) continue;
          const u = steps[(axis + 1) % 3]!;
          const v = steps[(axis + 2) % 3]!;
          const [a, b, c, d] = [index[at - u - v]!, index[at - v]!, index[at]!, index[at - u]!];
          if (inside !== mirrored) triangles.push(a, b, c, a, c, d);
          else triangles.push(a, c, b, a, d, c);
        }
      }
  return triangles;
}

function determinant(rows: number[][]): number {
  const [[a, b, c], [d, e, f], [g, h, i]] = rows as [number[], number[], number[]];
  return a! * (e! * i! - f! * h!) - b! * (d! * i! - f! * g!) + c! * (d! * h! - e! * g!);
}
