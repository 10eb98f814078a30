import assert from "node:assert/strict";
import { test } from "node:test";
import { stamped } from "../src/stamp";

const dims: [number, number, number] = [5, 6, 7];

function count(mask: Uint8Array): number {
  return mask.reduce((sum, value) => sum + value, 0);
}

test("draws a disc on one slice, erases it again, and leaves what it was given alone", () => {
  const empty = new Uint8Array(5 * 6 * 7);
  const pen = { dims, centre: [2, 3, 4] as [number, number, number], across: 2 as const, width: 5 };
  const drawn = stamped({ ...pen, mask: empty, erase: false });
  assert.equal(count(drawn), 21);
  assert.equal(drawn[2 + 3 * 5 + 4 * 30], 1);
  assert.equal(count(empty), 0);
  assert.equal(count(stamped({ ...pen, mask: drawn, erase: true })), 0);
});

test("stays within the volume", () => {
  const drawn = stamped({ mask: new Uint8Array(5 * 6 * 7), dims, centre: [0, 0, 6], across: 0, width: 5, erase: false });
  assert.equal(count(drawn), 8);
});
