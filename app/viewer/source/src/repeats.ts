// Repeated scans as Bland and Altman draw them: difference over mean, as the service tells them.

import { h, svg } from "./dom";
import { Plot } from "./plot";
import type { Repeats } from "./types";
import { millilitres, signed } from "./words";

const LEAST_ROOM_ML = 5;

/** The figure with its caption, or what has to be done to see one. */
export function repeatsFigure(repeats: Repeats): HTMLElement {
  if (repeats.count === 0) {
    return h("p", { class: "small" }, "No subject was scanned twice on one day. Measure a subject's scans under one pseudonym to see how far they differ.");
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
  const means = pairs.map((pair) => pair.mean_ml);
  const room = Math.max(LEAST_ROOM_ML, 0.1 * (Math.max(...means) - Math.min(...means)));
  const reach = 1.15 * Math.max(1, ...[...pairs.map((pair) => pair.difference_ml), ...lines.map(([, ml]) => ml)].map(Math.abs));
  const plot = new Plot([Math.min(...means) - room, Math.max(...means) + room], [-reach, reach]);
  return plot.drawing(
    `Difference over mean. ${words(repeats)}`,
    ...plot.axes(["Mean of both scans, mL", "Later minus earlier, mL"], [4, 4], (ml) => signed(ml, 0)),
    plot.level(0, "mean"),
    ...lines.flatMap(([name, ml]) => [
      plot.level(ml, name === "Mean" ? "limit bias" : "limit"),
      svg("text", { x: plot.right, y: plot.y(ml) - 5, "text-anchor": "end" }, `${name} ${signed(ml)}`),
    ]),
    ...pairs.map((pair) =>
      svg(
        "circle",
        { class: "point", cx: plot.x(pair.mean_ml), cy: plot.y(pair.difference_ml), r: 5 },
        svg("title", {}, `${pair.subject}: ${signed(pair.difference_ml)} mL at ${millilitres(pair.mean_ml)} mL`),
      ),
    ),
  );
}
