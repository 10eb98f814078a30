// What the charts share: their width, and the ticks of their axes.

const WIDE = 720;
const NARROW = 340;

/** Units across a chart: fewer on a phone, so that its words stay readable. */
export function chartWidth(): number {
  return matchMedia("(max-width: 40rem)").matches ? NARROW : WIDE;
}

/** 1, 2 or 5 times a power of ten, the least that is not below `rough`. */
export function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 10 * power;
}

/** The multiples of a step between two values. */
export function axis(from: number, to: number, step: number): number[] {
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step || 0);
}
