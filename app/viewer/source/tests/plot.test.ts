import assert from "node:assert/strict";
import { test } from "node:test";
import { datedScans } from "../src/growth";
import { levels } from "../src/plot";

test("ticks are round numbers within the axis, about as many as are asked for", () => {
  assert.deepEqual(levels([0, 464], 5), [0, 100, 200, 300, 400]);
  assert.deepEqual(levels([22, 28], 8), [22, 23, 24, 25, 26, 27, 28]);
  assert.deepEqual(levels([-34.9, 34.9], 4), [-20, 0, 20]);
  assert.deepEqual(levels([232.4, 248.6], 4), [235, 240, 245]);
});

test("scans are plotted by gestational age, those without one not at all", () => {
  const scans = [30, null, 22.5].map((weeks) => ({ gestational_age_weeks: weeks, head_volume_ml: 200, head_volume_interval_ml: null }));
  assert.deepEqual(datedScans(scans).map((scan) => scan.gestational_age_weeks), [22.5, 30]);
});
