// Which grey values are shown from black to white, found from the head's own: the near field is mostly brighter.

export type Contrast = "head" | "soft" | "wide";
export type Window = [number, number];

const MOST_SAMPLES = 200_000;
/** Shares of the values in the head, or in the whole scan, that lie below black and below white. */
const SHARES: Record<Contrast, Window> = { head: [0.01, 0.995], soft: [0.01, 0.9], wide: [0, 1] };

/** The windows of a scan whose head is where `mask` is not 0; null where the head has one value, or none. */
export function greyWindows(values: ArrayLike<number>, mask: ArrayLike<number>): Record<Contrast, Window> | null {
  const step = Math.max(1, Math.floor(values.length / (10 * MOST_SAMPLES)));
  const head: number[] = [];
  const all: number[] = [];
  for (let at = 0; at < values.length; at += step) {
    const value = values[at]!;
    if (mask[at]) head.push(value);
    if (at % (10 * step) === 0) all.push(value);
  }
  const found = { head: between(head, SHARES.head), soft: between(head, SHARES.soft), wide: between(all, SHARES.wide) };
  return Object.values(found).every((window) => window && window[0] < window[1]) ? (found as Record<Contrast, Window>) : null;
}

function between(values: number[], [low, high]: Window): Window | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.round(share * (sorted.length - 1))]!;
  return [at(low), at(high)];
}
