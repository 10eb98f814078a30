// A disc on one slice of a mask: a click of the pen, without a pointer.

export interface Stamp {
  mask: Uint8Array;
  dims: [number, number, number];
  centre: [number, number, number];
  /** The axis that the slice lies across. */
  across: 0 | 1 | 2;
  /** Diameter, in voxels. */
  width: number;
  erase: boolean;
}

/** Another mask, with the disc drawn or erased; what lies outside the volume is left out. */
export function stamped({ mask, dims, centre, across, width, erase }: Stamp): Uint8Array {
  const [first, second] = ([0, 1, 2] as const).filter((axis) => axis !== across) as [0 | 1 | 2, 0 | 1 | 2];
  const strides = [1, dims[0], dims[0] * dims[1]] as const;
  const reach = Math.floor(width / 2);
  const result = mask.slice();
  for (let a = -reach; a <= reach; a++)
    for (let b = -reach; b <= reach; b++) {
      const [x, y] = [centre[first] + a, centre[second] + b];
      if (a * a + b * b > (width / 2) ** 2 || x < 0 || y < 0 || x >= dims[first] || y >= dims[second]) continue;
      result[x * strides[first] + y * strides[second] + centre[across] * strides[across]] = erase ? 0 : 1;
    }
  return result;
}
