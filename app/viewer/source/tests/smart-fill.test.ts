import assert from "node:assert/strict";
import { test } from "node:test";
import { editedAxis, editedSlices, signedDistance, smartFill, type Grid } from "../src/smart-fill";

const grid: Grid = { dims: [24, 20, 30], spacing: [1, 1, 1] };
const at = (i: number, j: number, k: number) => i + grid.dims[0] * (j + grid.dims[1] * k);

/** A cylinder along k, whose radius in slice k may be changed. */
function cylinder(radius: (k: number) => number): Uint8Array {
  const mask = new Uint8Array(24 * 20 * 30);
  for (let k = 0; k < 30; k++)
    for (let j = 0; j < 20; j++)
      for (let i = 0; i < 24; i++) if (Math.hypot(i - 12, j - 10) <= radius(k)) mask[at(i, j, k)] = 1;
  return mask;
}

const area = (mask: Uint8Array, k: number) => mask.subarray(at(0, 0, k), at(0, 0, k + 1)).reduce((sum, value) => sum + value, 0);

test("an edit fades over the neighbouring slices and ends at its reach", () => {
  const before = cylinder(() => 5);
  const after = cylinder((k) => (k === 15 ? 8 : 5));
  const filled = smartFill(before, after, grid, 6);
  const areas = [15, 16, 17, 18, 19, 20, 21].map((k) => area(filled, k));
  assert.equal(areas[0], area(after, 15));
  for (let step = 1; step < areas.length; step++) assert.ok(areas[step]! <= areas[step - 1]!, areas.join(" "));
  assert.ok(areas[1]! > area(before, 16) + 20, "the next slice grew");
  assert.equal(areas[6], area(before, 21), "beyond the reach nothing changed");
  assert.deepEqual(areas, [15, 14, 13, 12, 11, 10, 9].map((k) => area(filled, k)), "alike on both sides");
});

test("erasing is carried on like drawing", () => {
  const filled = smartFill(cylinder(() => 7), cylinder((k) => (k === 10 ? 4 : 7)), grid, 5);
  assert.ok(area(filled, 11) < area(cylinder(() => 7), 11) - 30);
});

test("between two edited slices the whole way is edited", () => {
  const filled = smartFill(cylinder(() => 5), cylinder((k) => (k === 10 || k === 16 ? 8 : 5)), grid, 10);
  for (let k = 11; k < 16; k++) assert.ok(area(filled, k) >= area(cylinder(() => 7), k), `slice ${k}`);
});

test("the axis that was drawn across is found", () => {
  const before = cylinder(() => 5);
  const after = before.slice();
  for (let k = 4; k < 20; k++) for (let i = 8; i < 16; i++) after[at(i, 3, k)] = 1;
  assert.equal(editedAxis(before, after, grid), 1);
  assert.deepEqual(editedSlices(before, after, grid, 1), [3]);
});

test("nothing edited, nothing changed", () => {
  const mask = cylinder(() => 5);
  assert.deepEqual(smartFill(mask, mask.slice(), grid, 10), mask);
});

test("distances are exact, in mm, on pixels that are not square", () => {
  const slice = new Uint8Array(9 * 7);
  slice[3 * 9 + 4] = 1;
  const distance = signedDistance(slice, { width: 9, height: 7, pixel: [0.5, 2] }, 100);
  assert.ok(Math.abs(distance[3 * 9 + 8]! - (0.25 - 2)) < 1e-6);
  assert.ok(Math.abs(distance[0]! - (0.25 - Math.hypot(2, 6))) < 1e-5);
  assert.ok(Math.abs(distance[3 * 9 + 4]! - 0.25) < 1e-6);
});
