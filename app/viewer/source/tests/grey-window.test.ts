import assert from "node:assert/strict";
import { test } from "node:test";
import { greyWindows } from "../src/grey-window";

test("the head's own values decide what is black and white, not the brighter near field", () => {
  const size = 50_000;
  const values = new Uint8Array(size).map((_, at) => (at < size / 2 ? 200 + (at % 56) : at % 60));
  const mask = new Uint8Array(size).map((_, at) => (at < size / 2 ? 0 : 1));
  const { head, soft, wide } = greyWindows(values, mask)!;
  assert.ok(head[0] <= 1 && head[1] >= 57 && head[1] <= 59, String(head));
  assert.ok(soft[1] < head[1], String(soft));
  assert.ok(wide[0] <= 1 && wide[1] >= 250, String(wide));
});

test("a head without differences has no window", () => {
  assert.equal(greyWindows([5, 5, 5, 9], [1, 1, 1, 0]), null);
  assert.equal(greyWindows([1, 2, 3], [0, 0, 0]), null);
});
