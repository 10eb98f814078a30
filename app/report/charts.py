"""Charts of many measurements, as SVG: growth of a head, and how far repeated scans differ."""

from __future__ import annotations

import io
import itertools
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from app.imaging.growth import VALID_WEEKS, expected_head_volume_ml, head_volume_band_ml

SIZE_INCHES: Final = (7.2, 4.6)
Z_OF_BAND: Final = 2.0
LIMITS_SD: Final = 1.96
AROUND_WEEKS: Final = 4.0
"""How much of the band is shown before and after the measurements."""
NOT_A_REFERENCE: Final = (
    "Band: mean ± 2 SD, derived from INTERGROWTH-21st head circumference "
    "by the shape of the simulated anatomy.\nNot a reference chart."
)
MARKERS: Final = {"ok": "o", "review": "^"}


@dataclass(frozen=True)
class Theme:
    """Colours on a light or a dark page."""

    paper: str
    ink: str
    band: str
    ok: str
    review: str


THEMES: Final = {
    "light": Theme("#ffffff", "#24292f", "#c9d7ea", "#1a7f37", "#9a6700"),
    "dark": Theme("#16181d", "#e6e8ec", "#2d3f5a", "#40dc78", "#ffbe28"),
}
ThemeName = Literal["light", "dark"]


@dataclass(frozen=True)
class Measured:
    """One measurement with a volume, as the charts need it."""

    subject: str | None
    at: datetime
    weeks: float | None
    volume_ml: float
    interval_ml: tuple[float, float] | None
    verdict: str
    input_sha256: str | None = None


@dataclass(frozen=True)
class Pair:
    """Two scans of one subject on one day, at one age: their mean, and the later minus the earlier, in mL."""

    mean_ml: float
    difference_ml: float


def growth_chart(measured: Sequence[Measured], title: str, theme: ThemeName = "light") -> bytes:
    """Volumes over gestational age against the derived band; measurements without an age are left out and counted."""
    colours = THEMES[theme]
    dated = [one for one in measured if one.weeks is not None]
    figure, axes = _blank(colours, title)
    _draw_band(axes, dated, colours)
    for verdict, marker in MARKERS.items():
        _draw_points(axes, [one for one in dated if one.verdict == verdict], marker, getattr(colours, verdict))
    axes.set_xlabel("gestational age, weeks")
    axes.set_ylabel("head volume, mL")
    axes.set_ylim(bottom=0)
    _draw_legend(axes, colours)
    left_out = len(measured) - len(dated)
    note = "" if left_out == 0 else f" {left_out} without a gestational age are not shown."
    return _svg(figure, colours, title, NOT_A_REFERENCE + note)


def repeatability_chart(pairs: Sequence[Pair], theme: ThemeName = "light") -> bytes:
    """Bland and Altman's plot of repeated scans, with the bias and the 95 % limits of agreement from three pairs on."""
    colours = THEMES[theme]
    title = f"Repeated scans: {len(pairs)} {'pair' if len(pairs) == 1 else 'pairs'} of one subject, day and age"
    figure, axes = _blank(colours, title)
    axes.scatter([p.mean_ml for p in pairs], [p.difference_ml for p in pairs], color=colours.ok, s=22, zorder=3)
    axes.axhline(0, color=colours.ink, linewidth=0.6)
    if len(pairs) > 2:
        _draw_limits(axes, [pair.difference_ml for pair in pairs], colours)
    axes.set_xlabel("mean of both, mL")
    axes.set_ylabel("later minus earlier, mL")
    note = "Each scan with the one before it." if pairs else "No subject was scanned twice on one day."
    return _svg(figure, colours, title, note)


def repeated(measured: Iterable[Measured]) -> list[Pair]:
    """Each scan paired with the one before it of the same subject, day and gestational age (or none).

    A file that was measured more than once is one scan, as it was measured last.
    """
    groups: dict[tuple[str, date, float | None], dict[str, Measured]] = defaultdict(dict)
    for one in sorted(measured, key=lambda one: one.at):
        if one.subject is not None:
            group = groups[one.subject, one.at.date(), one.weeks]
            group[one.input_sha256 or f"unknown {len(group)}"] = one
    return [
        Pair((earlier.volume_ml + later.volume_ml) / 2, later.volume_ml - earlier.volume_ml)
        for group in groups.values()
        for earlier, later in itertools.pairwise(group.values())
    ]


def _draw_band(axes: Axes, dated: Sequence[Measured], colours: Theme) -> None:
    low, high = VALID_WEEKS
    if dated:
        ages = [one.weeks for one in dated if one.weeks is not None]
        low, high = max(low, min(ages) - AROUND_WEEKS), min(high, max(ages) + AROUND_WEEKS)
    if low >= high:
        return
    weeks = np.linspace(low, high, 80)
    lower, upper = np.transpose([head_volume_band_ml(float(week), Z_OF_BAND) for week in weeks])
    middle = [expected_head_volume_ml(float(week)) for week in weeks]
    axes.fill_between(weeks, lower, upper, color=colours.band, linewidth=0, label="derived band, mean ± 2 SD")
    axes.plot(weeks, middle, color=colours.ink, linewidth=0.8, linestyle=(0, (4, 3)), label="derived mean")


def _draw_points(axes: Axes, points: Sequence[Measured], marker: str, colour: str) -> None:
    if not points:
        return
    volumes = np.array([one.volume_ml for one in points])
    intervals = np.array([one.interval_ml or (one.volume_ml, one.volume_ml) for one in points])
    reach = np.abs(intervals.T - volumes)
    weeks = [one.weeks or 0.0 for one in points]
    label = f"measured, {points[0].verdict}, with 95 % interval"
    axes.errorbar(weeks, volumes, reach, fmt=marker, color=colour, elinewidth=0.8, capsize=2, markersize=5, label=label)


def _draw_limits(axes: Axes, differences: Sequence[float], colours: Theme) -> None:
    bias, half = statistics.fmean(differences), LIMITS_SD * statistics.stdev(differences)
    for value, name in ((bias, "bias"), (bias - half, "lower limit"), (bias + half, "upper limit")):
        style = "-" if name == "bias" else "--"
        axes.axhline(value, color=colours.review, linewidth=1, linestyle=style)
        text = f"{name} {value:+.1f} mL"
        axes.text(
            1.0,
            value,
            text,
            transform=axes.get_yaxis_transform(),
            color=colours.ink,
            fontsize=8,
            ha="right",
            va="bottom",
        )


def _blank(colours: Theme, title: str) -> tuple[Figure, Axes]:
    figure = Figure(SIZE_INCHES, facecolor=colours.paper, layout="constrained")
    axes = figure.add_subplot(facecolor=colours.paper)
    axes.set_title(title, color=colours.ink, fontsize=11, loc="left")
    axes.tick_params(colors=colours.ink, labelsize=9)
    axes.xaxis.label.set_color(colours.ink)
    axes.yaxis.label.set_color(colours.ink)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(colours.ink)
    return figure, axes


def _draw_legend(axes: Axes, colours: Theme) -> None:
    axes.legend(frameon=False, fontsize=8, labelcolor=colours.ink, loc="upper left")


def _svg(figure: Figure, colours: Theme, title: str, note: str) -> bytes:
    figure.supxlabel(note, color=colours.ink, fontsize=7.5, x=0.01, ha="left")
    file = io.BytesIO()
    metadata = {"Title": title, "Description": note, "Creator": "fetalhead", "Date": None}
    figure.savefig(file, format="svg", metadata=metadata)
    return file.getvalue()
