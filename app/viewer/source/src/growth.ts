// A subject's head volumes over gestational age, against the derived band.

import { svg } from "./dom";
import { Plot } from "./plot";
import type { GrowthBand, Scan } from "./types";
import { millilitres } from "./words";

const WEEKS_AROUND = 3;
const ABOVE = 1.08;

type DatedScan = Scan & { gestational_age_weeks: number };

/** The scans whose gestational age is known, the youngest first. */
export function datedScans(scans: Scan[]): DatedScan[] {
  return scans
    .filter((scan): scan is DatedScan => scan.gestational_age_weeks !== null)
    .sort((a, b) => a.gestational_age_weeks - b.gestational_age_weeks);
}

/** The drawing of at least one scan; its content stands in the table below it too. */
export function growthChart(scans: DatedScan[], { points }: GrowthBand): SVGSVGElement {
  const weeks = scans.map((scan) => scan.gestational_age_weeks);
  const from = Math.floor(Math.min(...weeks)) - WEEKS_AROUND;
  const to = Math.ceil(Math.max(...weeks)) + WEEKS_AROUND;
  const band = points.filter((point) => point.gestational_age_weeks >= from && point.gestational_age_weeks <= to);
  const greatest = Math.max(
    ...band.map((point) => point.high_ml),
    ...scans.map((scan) => scan.head_volume_interval_ml?.[1] ?? scan.head_volume_ml),
  );
  const plot = new Plot([from, to], [0, greatest * ABOVE]);
  const place = (at: number, ml: number) => `${plot.x(at).toFixed(1)},${plot.y(ml).toFixed(1)}`;
  const along = (name: "low_ml" | "mean_ml" | "high_ml") => band.map((point) => place(point.gestational_age_weeks, point[name]));
  return plot.drawing(
    `${scans.length} measured volumes over gestational age, against a derived band. The table below holds the numbers.`,
    svg("polygon", { class: "band", points: [...along("high_ml"), ...along("low_ml").reverse()].join(" ") }),
    svg("polyline", { class: "mean", points: along("mean_ml").join(" ") }),
    ...plot.axes(["Gestational age, weeks", "mL"], [8, 5]),
    svg("polyline", { class: "series", points: scans.map((scan) => place(scan.gestational_age_weeks, scan.head_volume_ml)).join(" ") }),
    ...scans.flatMap((scan) => mark(plot, scan)),
  );
}

function mark(plot: Plot, { gestational_age_weeks: weeks, head_volume_ml: ml, head_volume_interval_ml: interval }: DatedScan): (SVGElement | null)[] {
  const x = plot.x(weeks);
  return [
    interval && svg("line", { class: "interval", x1: x, x2: x, y1: plot.y(interval[0]), y2: plot.y(interval[1]) }),
    svg("circle", { class: "point", cx: x, cy: plot.y(ml), r: 5 }, svg("title", {}, `${millilitres(ml)} mL at ${weeks.toFixed(1)} weeks`)),
  ];
}
