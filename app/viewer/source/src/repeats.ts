// Repeated scans as Bland and Altman draw them: difference over mean, as the service tells them.

import { axis, chartWidth, niceStep } from "./axes";
import { h, svg } from "./dom";
import type { Repeats } from "./types";
import { millilitres } from "./words";

const HEIGHT = 340;
const EDGE = { left: 56, right: 16, top: 22, bottom: 48 };
const TICKS = 4;

/** The figure with its caption, or what has to be done to see one. */
export function repeatsFigure(repeats: Repeats): HTMLElement {
  if (repeats.count === 0) {
    return h("p", { class: "small" }, "No subject was scanned twice on one day. Measure the scans of a subject under one pseudonym to see how far they differ.");
  }
  const shown = repeats.pairs.length < repeats.count && ` The newest ${repeats.pairs.length} pairs are drawn.`;
  return h(
    "figure",
    { class: "growth repeats" },
    drawing(repeats),
    h("figcaption", {}, h("strong", {}, words(repeats)), " Each scan is compared with the one before it. A scan counts once, by the volume that is valid now; rejected ones are left out.", shown),
  );
}

function words({ count, mean_difference_ml: mean, limits_of_agreement_ml: limits }: Repeats): string {
  const pairs = `${count} ${count === 1 ? "pair" : "pairs"} of scans of one subject on one day.`;
  if (mean === null || !limits) return `${pairs} Limits of agreement need three pairs.`;
  return `${pairs} Mean difference ${signed(mean)} mL, 95 % limits of agreement ${signed(limits[0])} to ${signed(limits[1])} mL.`;
}

function drawing(repeats: Repeats): SVGSVGElement {
  const { pairs, mean_difference_ml: mean, limits_of_agreement_ml: limits } = repeats;
  const lines: [string, number][] = limits && mean !== null ? [["Mean", mean], ["Upper limit", limits[1]], ["Lower limit", limits[0]]] : [];
  const width = chartWidth();
  const means = pairs.map((pair) => pair.mean_ml);
  const room = Math.max(5, 0.1 * (Math.max(...means) - Math.min(...means)));
  const [from, to] = [Math.min(...means) - room, Math.max(...means) + room];
  const reach = 1.15 * Math.max(1, ...[...pairs.map((pair) => pair.difference_ml), ...lines.map(([, ml]) => ml)].map(Math.abs));
  const x = (ml: number) => EDGE.left + ((ml - from) / (to - from)) * (width - EDGE.left - EDGE.right);
  const y = (ml: number) => EDGE.top + ((reach - ml) / (2 * reach)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const end = width - EDGE.right;
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, class: "chart", role: "img", "aria-label": `Difference over mean. ${words(repeats)}` },
    ...axis(-reach, reach, niceStep(reach / (TICKS / 2))).flatMap((ml) => [
      svg("line", { class: ml === 0 ? "mean" : "grid", x1: EDGE.left, x2: end, y1: y(ml), y2: y(ml) }),
      svg("text", { x: EDGE.left - 8, y: y(ml) + 4, "text-anchor": "end" }, signed(ml, 0)),
    ]),
    ...axis(from, to, niceStep((to - from) / TICKS)).map((ml) => svg("text", { x: x(ml), y: HEIGHT - EDGE.bottom + 20, "text-anchor": "middle" }, String(ml))),
    ...lines.flatMap(([name, ml]) => [
      svg("line", { class: `limit ${name === "Mean" ? "bias" : ""}`, x1: EDGE.left, x2: end, y1: y(ml), y2: y(ml) }),
      svg("text", { x: end, y: y(ml) - 5, "text-anchor": "end" }, `${name} ${signed(ml)}`),
    ]),
    ...pairs.map((pair) =>
      svg(
        "circle",
        { class: "point", cx: x(pair.mean_ml), cy: y(pair.difference_ml), r: 5 },
        svg("title", {}, `${pair.subject}: ${signed(pair.difference_ml)} mL at ${millilitres(pair.mean_ml)} mL`),
      ),
    ),
    svg("text", { x: (EDGE.left + end) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "Mean of both scans, mL"),
    svg("text", { x: EDGE.left, y: EDGE.top - 8, "text-anchor": "start" }, "Later minus earlier, mL"),
  );
}

function signed(ml: number, digits = 1): string {
  const text = Math.abs(ml).toFixed(digits);
  return Number(text) === 0 ? "0" : `${ml < 0 ? "\u2212" : "+"}${text}`;
}
