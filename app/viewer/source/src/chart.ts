// A subject's head volumes over gestational age, against the derived band.

import { axis, chartWidth, niceStep } from "./axes";
import { svg } from "./dom";
import type { GrowthBand, Scan } from "./types";
import { millilitres } from "./words";

const HEIGHT = 380;
const EDGE = { left: 56, right: 16, top: 16, bottom: 44 };
const WEEKS_AROUND = 3;
const TICKS = 5;

type Dated = Scan & { gestational_age_weeks: number };

/** The scans whose gestational age is known, the youngest first. */
export function dated(scans: Scan[]): Dated[] {
  return scans
    .filter((scan): scan is Dated => scan.gestational_age_weeks !== null)
    .sort((a, b) => a.gestational_age_weeks - b.gestational_age_weeks);
}

/** The drawing; its content stands in the table beside it too. */
export function growthChart(scans: Dated[], band: GrowthBand): SVGSVGElement {
  const width = chartWidth();
  const points = scans.map(({ gestational_age_weeks: weeks, head_volume_ml: ml, head_volume_interval_ml: interval }) => ({ weeks, ml, interval }));
  const weeks = points.map((point) => point.weeks);
  const first = Math.max(14, Math.floor(Math.min(...weeks, 40)) - WEEKS_AROUND);
  const last = Math.min(40, Math.ceil(Math.max(...weeks, 14)) + WEEKS_AROUND);
  const [from, to] = first < last ? [first, last] : [14, 40];
  const shown = band.points.filter((point) => point.gestational_age_weeks >= from && point.gestational_age_weeks <= to);
  const greatest = Math.max(...shown.map((point) => point.high_ml), ...points.map((point) => point.interval?.[1] ?? point.ml));
  const x = (at: number) => EDGE.left + ((at - from) / (to - from)) * (width - EDGE.left - EDGE.right);
  const y = (ml: number) => HEIGHT - EDGE.bottom - (ml / (greatest * 1.08)) * (HEIGHT - EDGE.top - EDGE.bottom);
  const along = (pick: (point: (typeof shown)[number]) => number) =>
    shown.map((point) => `${x(point.gestational_age_weeks).toFixed(1)},${y(pick(point)).toFixed(1)}`);
  const label = `${points.length} measured volumes over gestational age, against a derived band. The table below holds the numbers.`;
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label },
    svg("polygon", { class: "band", points: [...along((point) => point.high_ml), ...along((point) => point.low_ml).reverse()].join(" ") }),
    svg("polyline", { class: "mean", points: along((point) => point.mean_ml).join(" ") }),
    ...axes(from, to, greatest * 1.08, x, y, width),
    svg("polyline", { class: "series", points: points.map((point) => `${x(point.weeks)},${y(point.ml)}`).join(" ") }),
    ...points.flatMap((point) => [
      point.interval &&
        svg("line", { class: "interval", x1: x(point.weeks), x2: x(point.weeks), y1: y(point.interval[0]), y2: y(point.interval[1]) }),
      svg(
        "circle",
        { class: "point", cx: x(point.weeks), cy: y(point.ml), r: 5 },
        svg("title", {}, `${millilitres(point.ml)} mL at ${point.weeks.toFixed(1)} weeks`),
      ),
    ]),
  );
}

function axes(from: number, to: number, greatest: number, x: (at: number) => number, y: (ml: number) => number, width: number): SVGElement[] {
  const step = niceStep(greatest / TICKS);
  const volumes = axis(0, greatest, step);
  const every = to - from > 12 ? 4 : to - from > 6 ? 2 : 1;
  const weeks = Array.from({ length: to - from + 1 }, (_, index) => from + index).filter((week) => (week - from) % every === 0);
  return [
    ...volumes.flatMap((ml) => [
      svg("line", { class: "grid", x1: EDGE.left, x2: width - EDGE.right, y1: y(ml), y2: y(ml) }),
      svg("text", { x: EDGE.left - 8, y: y(ml) + 4, "text-anchor": "end" }, String(ml)),
    ]),
    ...weeks.map((week) => svg("text", { x: x(week), y: HEIGHT - EDGE.bottom + 20, "text-anchor": "middle" }, String(week))),
    svg("text", { x: (EDGE.left + width - EDGE.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "Gestational age, weeks"),
    svg("text", { x: EDGE.left, y: EDGE.top - 3, "text-anchor": "start" }, "mL"),
  ];
}
