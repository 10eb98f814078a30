"""Figures as SVG text: differences of volumes against their mean (Bland and Altman)."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from training.evaluation.agreement import Agreement
from training.evaluation.cases import CaseResult

WIDTH, HEIGHT, MARGIN = 640, 420, 60
COLOURS = {"ok": "#1f77b4", "review": "#ff7f0e", "reject": "#d62728"}


def bland_altman(results: Sequence[CaseResult], agreed: Agreement) -> str:
    """Measured minus true volume against their mean (mL), with bias and 95 % limits, coloured by verdict."""
    points = [((r.measured_ml + r.true_ml) / 2, r.measured_ml - r.true_ml, r.verdict) for r in results]
    limits = (agreed.bias_ml - agreed.loa_half_width_ml, agreed.bias_ml, agreed.bias_ml + agreed.loa_half_width_ml)
    x_range = _padded([x for x, _, _ in points])
    y_range = _padded([*(y for _, y, _ in points), *limits])
    dots = [
        f'<circle cx="{_x(x, x_range):.1f}" cy="{_y(y, y_range):.1f}" r="3.5" '
        f'fill="{COLOURS[verdict]}" fill-opacity="0.7"/>'
        for x, y, verdict in points
    ]
    lines = [_line(value, y_range, dashed=n != 1) for n, value in enumerate(limits)]
    ticks = [_tick(x_range, share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)]
    title = f"{len(points)} cases: bias {limits[1]:+.1f} mL, 95 % limits ± {agreed.loa_half_width_ml:.1f} mL"
    body = "\n".join([*lines, *dots, *ticks, _labels(title)])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad


def _x(value: float, limits: tuple[float, float]) -> float:
    return MARGIN + (value - limits[0]) / (limits[1] - limits[0]) * (WIDTH - 2 * MARGIN)


def _y(value: float, limits: tuple[float, float]) -> float:
    return HEIGHT - MARGIN - (value - limits[0]) / (limits[1] - limits[0]) * (HEIGHT - 2 * MARGIN)


def _line(value: float, y_range: tuple[float, float], dashed: bool) -> str:
    y, dash = _y(value, y_range), ' stroke-dasharray="6 4"' if dashed else ""
    return (
        f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{y:.1f}" y2="{y:.1f}" stroke="#444"{dash}/>'
        f'<text x="{WIDTH - MARGIN + 4}" y="{y + 4:.1f}">{value:+.1f}</text>'
    )


def _tick(x_range: tuple[float, float], share: float) -> str:
    value = x_range[0] + share * (x_range[1] - x_range[0])
    return f'<text x="{_x(value, x_range):.1f}" y="{HEIGHT - MARGIN + 20}" text-anchor="middle">{value:.0f}</text>'


def _labels(title: str) -> str:
    middle = WIDTH / 2
    return (
        f'<text x="{middle}" y="28" text-anchor="middle">{escape(title)}</text>'
        f'<text x="{middle}" y="{HEIGHT - 14}" text-anchor="middle">mean of measured and true volume (mL)</text>'
        f'<text x="16" y="{HEIGHT / 2}" text-anchor="middle" transform="rotate(-90 16 {HEIGHT / 2})">'
        "measured - true (mL)</text>"
    )
