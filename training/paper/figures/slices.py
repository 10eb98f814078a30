"""Contours on slices (figure 6) and probability maps (figure 7), all in the orientation of the network's input.

Its axes are i, j and k: the longest, the middle and the shortest side of the scan (`app.imaging.orientation`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from scipy.ndimage import gaussian_filter

from app.imaging.arrays import Float32
from app.imaging.postprocess import bounding_box
from training.paper.figures.page import SYSTEM_COLOURS, make_page

COLOURS = ("white", *SYSTEM_COLOURS)
STYLES: tuple[Any, ...] = ("-", "-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)))
"""Of outlines: first the truth's, then the systems'."""
PLACES = (0.3, 0.5, 0.7)
PLANES = ("j-k", "i-k", "i-j")
"""The names of the planes across each axis."""
HALF = 0.5
SMOOTHING = 0.7
"""The smoothing of drawn outlines in voxels, less than the steps between voxels."""
MARGIN_MM = 20.0
BAR_MM = 20.0
PANEL = 2.7
"""The side of a panel, inches."""


@dataclass(frozen=True)
class CaseView:
    """One case as served: image in [0, 1], truth and each system's mask or probability in [0, 1], all (I, J, K).

    `dsc` has the systems' DSC, `spacing_mm` the grid's voxel sides.
    """

    name: str
    image: Float32
    truth: Float32
    answers: Mapping[str, Float32]
    dsc: Mapping[str, float]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class SlicePlane:
    """The grid's spacing in a slice, and the visible window's ends, all in mm; voxel 0 lies at 0 mm."""

    spacing_mm: tuple[float, float]
    across_mm: tuple[float, float]
    down_mm: tuple[float, float]


def draw_contours(cases: Sequence[CaseView]) -> Figure:
    """Draw figure 6: three parallel slices through the head of each case, with truth and estimates outlined."""
    side = max(_measure_window(case, 0) for case in cases)
    rows = PANEL * len(cases)
    title = "Outlines in planes j-k of the served orientation, at 30, 50 and 70 % of the head's extent along i"
    page = make_page(PANEL * len(PLACES) + 0.5, rows + 1.0, title)
    parts = page.subfigures(2, 1, squeeze=False, height_ratios=(rows, 0.35))
    panels, below = parts[:, 0]
    axes = panels.subplots(len(cases), len(PLACES), squeeze=False)
    for row, case in zip(axes, cases, strict=True):
        plane = _make_plane(case, 0, side)
        start, stop = _find_extents(case)[0]
        for ax, place in zip(row, PLACES, strict=True):
            number = round(start + place * (stop - 1 - start))
            _show(ax, case.image[number], plane)
            for mask, colour, style in zip((case.truth, *case.answers.values()), COLOURS, STYLES, strict=False):
                _draw_outline(ax, mask[number], plane, colour, style)
        _draw_scale_bar(row[0], plane)
        scores = (f"{name}: DSC {case.dsc[name]:.3f}" for name in case.answers)
        row[0].set_ylabel("\n".join((case.name, *scores)), fontsize=8)
    drawn = zip(("truth", *cases[0].answers), COLOURS, STYLES, strict=False)
    handles = [Line2D([], [], color=colour, ls=style, label=name) for name, colour, style in drawn]
    colours = {"facecolor": "0.4", "labelcolor": "white"}
    below.legend(handles=handles, loc="center", fontsize=8, ncols=len(handles), handlelength=3, **colours)
    return page


def draw_probabilities(case: CaseView) -> Figure:
    """Draw figure 7: three orthogonal slices with the truth outlined, and each system's probability on them."""
    columns = 1 + len(case.answers)
    page = make_page(PANEL * columns + 1.2, PANEL * len(PLANES) + 1.0, f"Probability of the head, {case.name}")
    axes = page.subplots(len(PLANES), columns, squeeze=False)
    side = max(_measure_window(case, axis) for axis in range(len(PLANES)))
    centre = [(start + stop) // 2 for start, stop in _find_extents(case)]
    picture: Any = None
    for axis, row in enumerate(axes):
        plane = _make_plane(case, axis, side)
        image, truth = (np.take(a, centre[axis], axis) for a in (case.image, case.truth))
        _show(row[0], image, plane)
        _draw_outline(row[0], truth, plane)
        _draw_scale_bar(row[0], plane)
        row[0].set_ylabel(f"plane {PLANES[axis]}", fontsize=9)
        for ax, probability in zip(row[1:], case.answers.values(), strict=True):
            picture = _draw(ax, np.take(probability, centre[axis], axis), plane, "viridis", 1.0)
            _draw_outline(ax, truth, plane)
    for ax, name in zip(axes[0], ("image", *case.answers), strict=True):
        ax.set_title(name if name == "image" else f"{name}, DSC {case.dsc[name]:.3f}", fontsize=9)
    page.colorbar(picture, ax=axes, shrink=0.5, label="probability")
    return page


def _find_extents(case: CaseView) -> list[tuple[int, int]]:
    """Return the head's first index and the one after its last along each axis; the grid's where there is no head."""
    return list(zip(*bounding_box(case.truth > HALF), strict=True))


def _measure_window(case: CaseView, axis: int) -> float:
    """Return the side of a square window around the head across an axis, with a margin, mm."""
    sides = [(stop - start) * step for (start, stop), step in zip(_find_extents(case), case.spacing_mm, strict=True)]
    return max(side for n, side in enumerate(sides) if n != axis) + 2 * MARGIN_MM


def _make_plane(case: CaseView, axis: int, side_mm: float) -> SlicePlane:
    """Return the square window around the head."""
    i, j = (n for n in range(len(PLANES)) if n != axis)
    extents, steps = _find_extents(case), case.spacing_mm
    middles = [(extents[n][0] + extents[n][1] - 1) / 2 * steps[n] for n in (i, j)]
    across, down = ((middle - side_mm / 2, middle + side_mm / 2) for middle in middles)
    return SlicePlane((steps[i], steps[j]), across, down)


def _show(ax: Axes, image: Float32, plane: SlicePlane) -> None:
    _draw(ax, image, plane, "gray", max(float(np.quantile(image, 0.995)), 1e-6))


def _draw(ax: Axes, values: Float32, plane: SlicePlane, colours: str, brightest: float) -> Any:
    """Draw a slice (across, down) smoothly, cropped to the plane's window; outside the scan it stays dark."""
    (dx, dy), (nx, ny) = plane.spacing_mm, values.shape
    edges = (-dx / 2, (nx - 0.5) * dx, -dy / 2, (ny - 0.5) * dy)
    picture = ax.imshow(
        values.T, cmap=colours, vmin=0, vmax=brightest, origin="lower", extent=edges, interpolation="bilinear"
    )
    ax.set(xticks=[], yticks=[], xlim=plane.across_mm, ylim=plane.down_mm, aspect="equal")
    ax.set_facecolor(picture.get_cmap()(0.0))
    return picture


def _draw_outline(ax: Axes, mask: Float32, plane: SlicePlane, colour: str = COLOURS[0], style: Any = STYLES[0]) -> None:
    """Draw the contour at one half, smoothed and closed at the scan's end, with a dark rim for bright tissue."""
    if mask.max() > HALF:
        padded = gaussian_filter(np.pad(mask, 2), SMOOTHING)
        x, y = (np.arange(-2, n + 2) * step for n, step in zip(mask.shape, plane.spacing_mm, strict=True))
        lines = ax.contour(x, y, padded.T, levels=[HALF], colors=[colour], linewidths=1.3, linestyles=[style])
        lines.set_path_effects([withStroke(linewidth=2.3, foreground="black", alpha=0.6)])


def _draw_scale_bar(ax: Axes, plane: SlicePlane) -> None:
    """Draw a bar of `BAR_MM` in the lower left corner."""
    (left, right), (low, _) = plane.across_mm, plane.down_mm
    gap = 0.04 * (right - left)
    rim = [withStroke(linewidth=3.5, foreground="black")]
    bar = [left + gap, left + gap + BAR_MM], [low + gap] * 2
    ax.plot(*bar, color="white", lw=2, solid_capstyle="butt", path_effects=rim)
    text = ax.text(left + gap, low + 1.5 * gap, f"{BAR_MM:.0f} mm", color="white", fontsize=7, va="bottom")
    text.set_path_effects([withStroke(linewidth=1.5, foreground="black")])
