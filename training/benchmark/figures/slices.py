"""Contours on slices (figure 6) and probability maps (figure 7)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from training.benchmark.figures.page import new_page

TRUTH_COLOUR, SYSTEM_COLOURS = "#e41a1c", ("#4daf4a", "#ffd92f", "#377eb8", "#984ea3")
PLACES = (0.3, 0.5, 0.7)
PLANES = ("first axis", "second axis", "third axis")
HALF = 0.5

Array = NDArray[np.float32]


@dataclass(frozen=True)
class CaseView:
    """One case on one isotropic grid: image in [0, 1], truth and each system's mask or probability in [0, 1]."""

    name: str
    image: Array
    truth: Array
    answers: Mapping[str, Array]


def contours(cases: Sequence[CaseView]) -> Figure:
    """Figure 6: three parallel slices through the head of each case, with truth and estimates outlined."""
    names = list(cases[0].answers)
    page = new_page(
        11.0, 3.1 * len(cases) + 0.9, "Outlines on slices through the head at 30, 50 and 70 % of its extent"
    )
    axes = page.subplots(len(cases), len(PLACES), squeeze=False)
    for row, case in zip(axes, cases, strict=True):
        for ax, number in zip(row, _slices(case.truth), strict=True):
            _show(ax, case.image[number])
            _outline(ax, case.truth[number], TRUTH_COLOUR)
            for name, colour in zip(names, SYSTEM_COLOURS, strict=False):
                _outline(ax, case.answers[name][number], colour)
        row[0].set_ylabel(case.name, fontsize=9)
    colours = dict(zip(["truth", *names], (TRUTH_COLOUR, *SYSTEM_COLOURS), strict=False))
    handles = [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]
    page.legend(handles=handles, loc="outside right center", fontsize=9, frameon=False)
    return page


def probabilities(case: CaseView) -> Figure:
    """Figure 7: three orthogonal slices with the truth outlined, and each system's probability on them."""
    page = new_page(3.0 * (1 + len(case.answers)) + 0.8, 8.2, f"Probability of the head, {case.name}")
    axes = page.subplots(3, 1 + len(case.answers), squeeze=False)
    centre = _centre(case.truth)
    picture = None
    for axis, row in enumerate(axes):
        image, truth = (np.take(a, centre[axis], axis) for a in (case.image, case.truth))
        across, down = (centre[n] for n in range(3) if n != axis)
        _show(row[0], image)
        _outline(row[0], truth, "#4daf4a")
        row[0].set_ylabel(f"across the {PLANES[axis]}", fontsize=9)
        for ax, (name, probability) in zip(row[1:], case.answers.items(), strict=True):
            picture = ax.imshow(
                np.take(probability, centre[axis], axis).T, vmin=0, vmax=1, cmap="turbo", origin="lower"
            )
            _outline(ax, truth, "white", width=0.8)
            if axis == 0:
                ax.set_title(name, fontsize=9)
        for ax in row:
            ax.axvline(across, color="white", lw=0.5, ls=":")
            ax.axhline(down, color="white", lw=0.5, ls=":")
            ax.set(xticks=[], yticks=[])
    if picture is not None:
        page.colorbar(picture, ax=axes, shrink=0.5, label="probability")
    return page


def _slices(truth: Array) -> list[int]:
    used = np.flatnonzero(truth.max(axis=(1, 2)) > HALF)
    first, last = (int(used[0]), int(used[-1])) if used.size else (0, truth.shape[0] - 1)
    return [round(first + place * (last - first)) for place in PLACES]


def _centre(truth: Array) -> tuple[int, int, int]:
    inside = np.argwhere(truth > HALF)
    i, j, k = (inside.mean(axis=0) if len(inside) else np.array(truth.shape) / 2).round().astype(int)
    return int(i), int(j), int(k)


def _show(ax: Axes, image: Array) -> None:
    brightest = max(float(np.quantile(image, 0.995)), 1e-6)
    ax.imshow(image.T, cmap="gray", vmin=0, vmax=brightest, origin="lower")
    ax.set(xticks=[], yticks=[])


def _outline(ax: Axes, mask: Array, colour: str, width: float = 1.3) -> None:
    if mask.min() < HALF < mask.max():
        ax.contour(mask.T, levels=[HALF], colors=[colour], linewidths=width)
