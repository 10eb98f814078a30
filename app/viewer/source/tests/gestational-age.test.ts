import assert from "node:assert/strict";
import { test } from "node:test";
import { parseWeeks, weeksAndDays } from "../src/gestational-age";

test("weeks and days, and weeks, as people write them", () => {
  const written: Record<string, number> = {
    "26+4": 26.57,
    "26 + 3": 26.43,
    "26w4d": 26.57,
    "26w3": 26.43,
    "26 W 3 D": 26.43,
    "26 weeks 3 days": 26.43,
    "26 weeks": 26,
    "26w": 26,
    "26.43": 26.43,
    "26,4": 26.4,
    " 26 ": 26,
    "10": 10,
    "42+0": 42,
  };
  for (const [text, weeks] of Object.entries(written)) assert.equal(parseWeeks(text), weeks, text);
});

test("what is no gestational age", () => {
  for (const text of ["", "soon", "26+7", "26+", "+4", "9+6", "42+1", "2026", "26.4.1", "-26", "26e1", "26 4", "1e1", "Infinity"])
    assert.equal(parseWeeks(text), null, text);
});

test("what was typed in days is shown as the same days", () => {
  for (let weeks = 10; weeks < 42; weeks++)
    for (let days = 0; days < 7; days++) assert.equal(weeksAndDays(parseWeeks(`${weeks}+${days}`)!), `${weeks}+${days}`);
  assert.equal(weeksAndDays(26.99), "27+0");
});
