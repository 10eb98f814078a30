import assert from "node:assert/strict";
import { test } from "node:test";
import { agreement, repeatedScans } from "../src/repeats";
import type { VolumeItem } from "../src/types";

function item(subject: string | null, at: string, ml: number | null, decision: string | null = null, more: Partial<VolumeItem> = {}): VolumeItem {
  return { id: at, subject, created_at: at, head_volume_ml: ml, decision, gestational_age_weeks: null, input_sha256: at, ...more } as VolumeItem;
}

test("pairs each scan with the one before it of the same subject and day", () => {
  const pairs = repeatedScans([
    item("A", "2026-03-01T12:00:00Z", 110),
    item("A", "2026-03-01T09:00:00Z", 100),
    item("A", "2026-03-01T10:00:00Z", 104),
    item("A", "2026-03-02T10:00:00Z", 150),
    item("B", "2026-03-01T10:00:00Z", 200),
    item("B", "2026-03-01T11:00:00Z", 400, "reject"),
    item("B", "2026-03-01T12:00:00Z", null),
    item(null, "2026-03-01T10:00:00Z", 300),
    item(null, "2026-03-01T11:00:00Z", 310),
  ]);
  assert.deepEqual(pairs, [
    { mean: 102, difference: 4, subject: "A" },
    { mean: 107, difference: 6, subject: "A" },
  ]);
});

test("another gestational age and the same file make no pair", () => {
  const at = (hour: string) => `2026-03-01T${hour}:00:00Z`;
  const ages = [20, 28].map((weeks, index) => item("A", at(`1${index}`), 100 * weeks, null, { gestational_age_weeks: weeks }));
  assert.deepEqual(repeatedScans(ages), []);
  const again = ["09", "10"].map((hour) => item("A", at(hour), 200, null, { input_sha256: "same" }));
  assert.deepEqual(repeatedScans(again), []);
  assert.deepEqual(repeatedScans([...again, item("A", at("11"), 210)]), [{ mean: 205, difference: 10, subject: "A" }]);
});

test("limits of agreement are the mean and 1.96 standard deviations of the differences, from three pairs on", () => {
  const pairs = [1, 2, 6].map((difference) => ({ mean: 100, difference, subject: "A" }));
  const limits = agreement(pairs);
  assert.equal(limits?.bias, 3);
  assert.ok(Math.abs((limits?.half ?? 0) - 1.96 * Math.sqrt(7)) < 1e-12);
  assert.equal(agreement(pairs.slice(1)), null);
});
