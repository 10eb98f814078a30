// What the charts share: a plane with its axes, fitted to the screen.

import { svg } from "./dom";

type Range = [from: number, to: number];

const WIDE = 720;
const NARROW = 340;
const HEIGHT = 360;
const EDGE = { left: 56, right: 16, top: 22, bottom: 46 };

/** A plane of a chart: values to places in it. On a phone it has fewer units across, so that its words stay readable. */
export class Plot {
  readonly left = EDGE.left;
  readonly right = (matchMedia("(max-width: 40rem)").matches ? NARROW : WIDE) - EDGE.right;

  constructor(
    private readonly across: Range,
    private readonly up: Range,
  ) {}

  x(value: number): number {
    return this.left + share(value, this.across) * (this.right - this.left);
  }

  y(value: number): number {
    return HEIGHT - EDGE.bottom - share(value, this.up) * (HEIGHT - EDGE.top - EDGE.bottom);
  }

  /** A line across the whole plane. */
  level(value: number, kind: string): SVGElement {
    return svg("line", { class: kind, x1: this.left, x2: this.right, y1: this.y(value), y2: this.y(value) });
  }

  /** Titles, and about so many ticks along each axis; the levels of the upward axis are drawn across. */
  axes(titles: [across: string, up: string], ticks: [across: number, up: number], name: (up: number) => string = String): SVGElement[] {
    const below = HEIGHT - EDGE.bottom + 20;
    return [
      ...levels(this.up, ticks[1]).flatMap((value) => [
        this.level(value, "grid"),
        svg("text", { x: this.left - 8, y: this.y(value) + 4, "text-anchor": "end" }, name(value)),
      ]),
      ...levels(this.across, ticks[0]).map((value) => svg("text", { x: this.x(value), y: below, "text-anchor": "middle" }, String(value))),
      svg("text", { x: (this.left + this.right) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, titles[0]),
      svg("text", { x: this.left, y: EDGE.top - 8, "text-anchor": "start" }, titles[1]),
    ];
  }

  /** The drawing, with what it says to those who do not see it. */
  drawing(label: string, ...content: (SVGElement | null)[]): SVGSVGElement {
    return svg("svg", { viewBox: `0 0 ${this.right + EDGE.right} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label }, ...content);
  }
}

function share(value: number, [from, to]: Range): number {
  return (value - from) / (to - from);
}

/** The multiples of a round step that lie in a range, about so many. */
export function levels([from, to]: Range, count: number): number[] {
  const step = roundStep((to - from) / count);
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.max(0, Math.floor(to / step) - first + 1) }, (_, index) => (first + index) * step || 0);
}

/** 1, 2 or 5 times a power of ten, the least that is not below `rough`; 1 at least. */
function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(rough, 1)));
  return [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= rough) ?? 10 * power;
}
