"""The Bland-Altman plot of measured against true volumes, as SVG text: it needs no library that draws."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.contract.value import COLOURS, Verdict
from app.statistics.agreement import Agreement

WIDTH, HEIGHT = 720, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 590, 40, 380
TICKS: Final = 6
STEPS: Final = (1.0, 2.0, 5.0, 10.0)
MARGIN: Final = 0.08
GREY: Final = "#444444"
MARKERS: Final = {
    "ok": "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "review": "M0-5l5 9h-10z",
    "reject": "M-4-4h8v8h-8z",
}
"""A circle, a triangle, a square: verdicts differ by more than colour."""


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    stop: float

    @classmethod
    def around(cls, values: Sequence[float], start: float, stop: float) -> Scale:
        """Return a scale that holds all values with a margin."""
        low, high = min(values), max(values)
        margin = MARGIN * (high - low) or 1.0
        return cls(low - margin, high + margin, start, stop)

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.stop - self.start)

    def ticks(self) -> list[float]:
        """Return round values along the scale."""
        least = (self.high - self.low) / TICKS
        power = 10.0 ** math.floor(math.log10(least))
        step = next(power * step for step in STEPS if power * step >= least)
        return [step * n for n in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def draw_bland_altman(volumes: Sequence[tuple[float, float, Verdict]], agreed: Agreement) -> str:
    """Draw measured - true volume against their mean, for each (measured mL, true mL, verdict), with bias and limits.

    Bands around bias and limits are their 95 % intervals. The same cases give the same text.
    """
    lines = _describe_lines(agreed)
    points = [((measured + true) / 2, measured - true, verdict) for measured, true, verdict in volumes]
    x = Scale.around([mean for mean, _, _ in points], LEFT, RIGHT)
    edges = [edge for _, _, low, high in lines for edge in (low, high)]
    y = Scale.around([0.0, *edges, *(difference for _, difference, _ in points)], BOTTOM, TOP)
    title = f"{agreed.cases} cases: bias {agreed.bias_ml:+.1f} mL, 95 % limits ± {agreed.loa_half_width_ml:.1f} mL"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="sans-serif" font-size="12" fill="#222222">',
        f"<title>Bland-Altman plot, {title}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text((LEFT + RIGHT) / 2, TOP - 16, title, size=13),
        *_draw_axes(x, y),
        *(part for line in lines for part in _draw_line(y, *line)),
        *(
            f'<path d="{MARKERS[verdict]}" transform="translate({x.at(mean):.1f} {y.at(difference):.1f})" '
            f'fill="{COLOURS[verdict]}" fill-opacity="0.75"/>'
            for mean, difference, verdict in points
        ),
        *_draw_legend([verdict for _, _, verdict in points]),
        _text(RIGHT, HEIGHT - 14, "bands: 95 % intervals", "end"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _describe_lines(agreed: Agreement) -> list[tuple[str, float, float, float]]:
    """Return name, value, and ends of the 95 % interval of the bias and of both limits."""
    half, uncertain = agreed.loa_half_width_ml, agreed.loa_ci95_half_width_ml
    limits = (("upper limit", agreed.bias_ml + half), ("lower limit", agreed.bias_ml - half))
    return [
        ("bias", agreed.bias_ml, *agreed.bias_ci95_ml),
        *((name, value, value - uncertain, value + uncertain) for name, value in limits),
    ]


def _draw_axes(x: Scale, y: Scale) -> Iterator[str]:
    yield f'<path d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}" fill="none" stroke="{GREY}"/>'
    for tick in x.ticks():
        yield f'<path d="M{x.at(tick):.1f} {BOTTOM}v5" stroke="{GREY}"/>'
        yield _text(x.at(tick), BOTTOM + 19, f"{tick:g}")
    for tick in y.ticks():
        yield f'<path d="M{LEFT} {y.at(tick):.1f}h-5" stroke="{GREY}"/>'
        yield _text(LEFT - 9, y.at(tick) + 4, f"{tick:g}", "end")
    yield _text((LEFT + RIGHT) / 2, BOTTOM + 40, "mean of measured and true volume (mL)")
    middle = (TOP + BOTTOM) / 2
    yield f'<g transform="rotate(-90 18 {middle:g})">{_text(18, middle, "measured - true volume (mL)")}</g>'


def _draw_line(y: Scale, name: str, value: float, low: float, high: float) -> Iterator[str]:
    dashes = "" if name == "bias" else ' stroke-dasharray="6 4"'
    top, height = y.at(high), y.at(low) - y.at(high)
    size = f'width="{RIGHT - LEFT}" height="{height:.1f}"'
    yield f'<rect x="{LEFT}" y="{top:.1f}" {size} fill="{GREY}" fill-opacity="0.1"/>'
    yield f'<path d="M{LEFT} {y.at(value):.1f}H{RIGHT}" stroke="{GREY}" stroke-width="1.2"{dashes}/>'
    yield _text(RIGHT + 8, y.at(value) - 2, f"{name} {value:+.1f}", "start", 11)
    yield _text(RIGHT + 8, y.at(value) + 11, f"({low:+.1f} to {high:+.1f})", "start", 11)


def _draw_legend(verdicts: Sequence[Verdict]) -> Iterator[str]:
    for place, verdict in enumerate(verdict for verdict in COLOURS if verdict in verdicts):
        left = LEFT + 10 + 110 * place
        yield f'<path d="{MARKERS[verdict]}" transform="translate({left} {HEIGHT - 18})" fill="{COLOURS[verdict]}"/>'
        yield _text(left + 10, HEIGHT - 14, f"{verdict} ({verdicts.count(verdict)})", "start")


def _text(x: float, y: float, text: str, anchor: str = "middle", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{text}</text>'
