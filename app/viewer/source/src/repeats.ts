// Repeated scans of one subject on one day, at one gestational age, as Bland and Altman draw them: difference over mean.

import { axis, chartWidth, niceStep } from "./axes";
import { h, svg } from "./dom";
import type { VolumeItem } from "./types";
import { millilitres } from "./words";

const HEIGHT = 340;
const EDGE = { left: 56, right: 16, top: 22, bottom: 48 };
const LIMITS_SD = 1.96;
const ENOUGH_FOR_LIMITS = 3;
const TICKS = 4;

interface Pair {
  mean: number;
  difference: number;
  subject: string;
}

interface Limits {
  bias: number;
  half: number;
}

/** The figure with its caption, or what has to be done to see one. */
export function repeatsFigure(items: VolumeItem[]): HTMLElement {
  const pairs = repeatedScans(items);
  if (pairs.length === 0) {
    return h("p", { class: "small" }, "No subject was scanned twice on one day. Measure the scans of a subject under one pseudonym to see how far they differ.");
  }
  const limits = agreement(pairs);
  return h("figure", { class: "growth repeats" }, drawing(pairs, limits), h("figcaption", {}, h("strong", {}, words(pairs, limits)), " Each scan with the one before it; what the model measured, without the readers' edits."));
}

/**
 * Each scan with the one before it of the same subject, day (UTC) and gestational age (or none), rejected ones left out.
 * A file that was measured more than once is one scan, as it was measured last.
 */
export function repeatedScans(items: VolumeItem[]): Pair[] {
  const groups = new Map<string, VolumeItem[]>();
  for (const item of items) {
    if (!item.subject || item.head_volume_ml === null || item.decision === "reject") continue;
    const key = `${item.subject} ${item.created_at.slice(0, 10)} ${item.gestational_age_weeks}`;
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return [...groups.values()].flatMap((group) => {
    const dated = [...group].sort((a, b) => a.created_at.localeCompare(b.created_at));
    const sorted = [...new Map(dated.map((item) => [item.input_sha256 ?? item.id, item])).values()];
    return sorted.slice(1).map((later, index) => pairOf(sorted[index]!, later));
  });
}

/** Mean of the differences and half the width of the 95 % limits; null with too few pairs. */
export function agreement(pairs: Pair[]): Limits | null {
  if (pairs.length < ENOUGH_FOR_LIMITS) return null;
  const bias = pairs.reduce((sum, pair) => sum + pair.difference, 0) / pairs.length;
  const squares = pairs.reduce((sum, pair) => sum + (pair.difference - bias) ** 2, 0);
  return { bias, half: LIMITS_SD * Math.sqrt(squares / (pairs.length - 1)) };
}

function pairOf(earlier: VolumeItem, later: VolumeItem): Pair {
  const [a, b] = [earlier.head_volume_ml ?? 0, later.head_volume_ml ?? 0];
  return { mean: (a + b) / 2, difference: b - a, subject: later.subject ?? "" };
}

function words(pairs: Pair[], limits: Limits | null): string {
  const count = `${pairs.length} ${pairs.length === 1 ? "pair" : "pairs"} of scans of one subject on one day.`;
  if (!limits) return `${count} Limits of agreement need ${ENOUGH_FOR_LIMITS} pairs.`;
  const { bias, half } = limits;
  return `${count} Mean difference ${signed(bias)} mL, 95 % limits of agreement ${signed(bias - half)} to ${signed(bias + half)} mL.`;
}

function drawing(pairs: Pair[], limits: Limits | null): SVGSVGElement {
  const width = chartWidth();
  const means = pairs.map((pair) => pair.mean);
  const room = Math.max(5, 0.1 * (Math.max(...means) - Math.min(...means)));
  const [from, to] = [Math.min(...means) - room, Math.max(...means) + room];
  const reach = 1.15 * Math.max(1, ...pairs.map((pair) => Math.abs(pair.difference)), limits ? Math.abs(limits.bias) + limits.half : 0);
  const x = (ml: number) => EDGE.left + ((ml - from) / (to - from)) * (width - EDGE.left - EDGE.right);
  const y = (ml: number) => EDGE.top + ((reach - ml) / (2 * reach)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const step = niceStep(reach / (TICKS / 2));
  const across = niceStep((to - from) / TICKS);
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `Difference over mean. ${words(pairs, limits)}` },
    ...axis(-reach, reach, step).flatMap((ml) => [
      svg("line", { class: ml === 0 ? "mean" : "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(ml), y2: y(ml) }),
      svg("text", { x: EDGE.left - 8, y: y(ml) + 4, "text-anchor": "end" }, signed(ml, 0)),
    ]),
    ...axis(from, to, across).map((ml) => svg("text", { x: x(ml), y: HEIGHT - EDGE.bottom + 20, "text-anchor": "middle" }, String(ml))),
    ...(limits ? lines(limits, y, width - EDGE.right) : []),
    ...pairs.map((pair) =>
      svg(
        "circle",
        { class: "point", cx: x(pair.mean), cy: y(pair.difference), r: 5 },
        svg("title", {}, `${pair.subject}: ${signed(pair.difference)} mL at ${millilitres(pair.mean)} mL`),
      ),
    ),
    svg("text", { x: (EDGE.left + width - EDGE.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "Mean of both scans, mL"),
    svg("text", { x: EDGE.left, y: EDGE.top - 8, "text-anchor": "start" }, "Later minus earlier, mL"),
  );
}

function lines({ bias, half }: Limits, y: (ml: number) => number, end: number): SVGElement[] {
  const named: [string, number][] = [["Mean", bias], ["Upper limit", bias + half], ["Lower limit", bias - half]];
  return named.flatMap(([name, ml]) => [
    svg("line", { class: `limit ${name === "Mean" ? "bias" : ""}`, x1: EDGE.left, x2: end, y1: y(ml), y2: y(ml) }),
    svg("text", { x: end, y: y(ml) - 5, "text-anchor": "end" }, `${name} ${signed(ml)}`),
  ]);
}

function signed(ml: number, digits = 1): string {
  const text = Math.abs(ml).toFixed(digits);
  return Number(text) === 0 ? "0" : `${ml < 0 ? "\u2212" : "+"}${text}`;
}
