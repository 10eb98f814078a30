// Gestational age as people write it: weeks and days, or weeks.

import limits from "./limits.json";

const [LEAST_WEEKS, MOST_WEEKS] = limits.weeks as [number, number];
const DAYS = 7;
const WITH_DAYS = /^(\d{1,2})\s*(?:\+|w(?:ee)?ks?\b|w)\s*([0-6])\s*(?:d(?:ays?)?)?$/i;
const ALONE = /^(\d{1,2}(?:[.,]\d+)?)\s*(?:w(?:ee)?ks?|w)?$/i;

/** Weeks from 26+4, 26w4d, 26w, 26.57 or 26,57; null where it is none of these, or no age at which heads are measured. */
export function parseWeeks(text: string): number | null {
  const [, whole, days] = WITH_DAYS.exec(text.trim()) ?? [];
  const [, alone] = ALONE.exec(text.trim()) ?? [];
  const weeks = whole ? Number(whole) + Number(days) / DAYS : alone ? Number(alone.replace(",", ".")) : NaN;
  return weeks >= LEAST_WEEKS && weeks <= MOST_WEEKS ? Math.round(100 * weeks) / 100 : null;
}

/** The nearest whole day, such as 26+4. */
export function weeksAndDays(weeks: number): string {
  const days = Math.round(weeks * DAYS);
  return `${Math.floor(days / DAYS)}+${days % DAYS}`;
}
