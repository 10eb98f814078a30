import assert from "node:assert/strict";
import { test } from "node:test";
import { maskSurface } from "../src/surface";

const RADIUS_MM = 20;

function sphere(spacing: number, mirrored = false) {
  const count = Math.ceil(60 / spacing);
  const data = new Uint8Array(count ** 3);
  const middle = (count - 1) / 2;
  for (let k = 0, at = 0; k < count; k++)
    for (let j = 0; j < count; j++)
      for (let i = 0; i < count; i++, at++)
        if (Math.hypot(i - middle, j - middle, k - middle) * spacing <= RADIUS_MM) data[at] = 1;
  const x = mirrored ? -spacing : spacing;
  const affine = [[x, 0, 0, -x * middle], [0, spacing, 0, -spacing * middle], [0, 0, spacing, -spacing * middle]];
  return { data, dims: [count, count, count] as [number, number, number], affine };
}

/** Volume that the triangles enclose, in mL; negative where they face inwards. */
function enclosed(points: Float32Array, triangles: Uint32Array): number {
  let sum = 0;
  for (let at = 0; at < triangles.length; at += 3) {
    const [a, b, c] = [0, 1, 2].map((corner) => points.subarray(3 * triangles[at + corner]!, 3 * triangles[at + corner]! + 3));
    sum += a![0]! * (b![1]! * c![2]! - b![2]! * c![1]!) - a![1]! * (b![0]! * c![2]! - b![2]! * c![0]!) + a![2]! * (b![0]! * c![1]! - b![1]! * c![0]!);
  }
  return sum / 6 / 1000;
}

for (const [name, spacing, mirrored] of [["fine", 0.5, false], ["coarse", 2, false], ["mirrored", 2, true]] as const)
  test(`the surface of a ${name} sphere is closed, faces outwards and lies where the sphere ends`, () => {
    const { points, triangles } = maskSurface(sphere(spacing, mirrored))!;
    const ml = enclosed(points, triangles);
    assert.ok(Math.abs(ml - (4 / 3) * Math.PI * 8) < 1.4, `${ml} mL`);
    for (let at = 0; at < points.length; at += 3)
      assert.ok(Math.abs(Math.hypot(points[at]!, points[at + 1]!, points[at + 2]!) - RADIUS_MM) < 1.2);
    const edges = new Map<string, number>();
    for (let at = 0; at < triangles.length; at += 3)
      for (const [from, to] of [[0, 1], [1, 2], [2, 0]]) {
        const [low, high] = [triangles[at + from!]!, triangles[at + to!]!].sort((a, b) => a - b);
        edges.set(`${low} ${high}`, (edges.get(`${low} ${high}`) ?? 0) + 1);
      }
    assert.ok([...edges.values()].every((count) => count % 2 === 0), "every edge is shared");
  });

test("an empty mask has no surface", () => {
  assert.equal(maskSurface({ data: new Uint8Array(8), dims: [2, 2, 2], affine: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]] }), null);
});
