"""Which of a scan's voxels are echoes: not those outside the fan, nor marks, dead voxels, and mixtures of these."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.imaging.arrays import Bool
from app.imaging.sampling import sample_evenly

UNUSUAL: Final = 0.025
"""Share of the voxels that may be no echoes at all, such as burnt-in text, at either end."""
REACH_DOWN, REACH_UP = 0.25, 2.0
"""How far beyond the others echoes reach, as multiples of their range; what lies further away is none."""
MOST: Final = 0.9
"""Share of the voxels that are no marks at least."""
BLANK: Final = 0.4
"""How wide the range without any voxel is between echoes and marks, as a share of the range of the echoes."""
RARE: Final = 1e-4
"""Share of the echoes that may lie beyond the range which counts, at either end."""
EDGE: Final = 3
"""Voxels across which averaging mixes echoes with what stands outside the fan."""
ENOUGH: Final = 1000
DIRECTIONS: Final = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if (i, j, k) != (0, 0, 0)]


def sample_echoes(data: NDArray[Any], fills: tuple[float, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return voxels of a volume (I, J, K), flat, that are none of the values outside the fan: off its edge, and all.

    Where these values are far from most echoes, voxels at the edge may hold mixtures; elsewhere, and where hardly any
    others are left, they are taken for echoes.
    """
    sample = sample_evenly(data)
    chosen = ~np.isin(sample, fills)
    if not chosen.any():
        others = data[~np.isin(data, fills)]
        return others, others
    off_edge = chosen
    if _are_far(sample[chosen], fills):
        off_edge = chosen & ~_is_near(data, fills)
        off_edge = off_edge if off_edge.sum() >= ENOUGH else chosen
    return sample[off_edge], sample[chosen]


def keep_reached(echoes: NDArray[Any]) -> tuple[NDArray[Any], float]:
    """Return the voxels without what lies beyond the reach of the echoes, and the value from which on there are marks.

    Without marks that value is infinite.
    """
    low, most = (float(value) for value in np.quantile(echoes, (UNUSUAL, MOST)))
    marks = _find_marks(echoes, most, BLANK * (most - low)) if low < most else np.inf
    echoes = echoes[echoes < marks]
    low, high = (float(value) for value in np.quantile(echoes, (UNUSUAL, 1 - UNUSUAL)))
    if low == high:
        return echoes, marks
    span = high - low
    return echoes[(low - REACH_DOWN * span <= echoes) & (echoes <= high + REACH_UP * span)], marks


def _are_far(echoes: NDArray[Any], fills: tuple[float, ...]) -> bool:
    """Return whether a value lies further from most echoes than these from one another, mixtures left aside."""
    least, below, above, most = (float(q) for q in np.quantile(echoes, (UNUSUAL, 0.25, 0.75, 1 - UNUSUAL)))
    return any(below - value > most - below or value - above > above - least for value in fills)


def _is_near(data: NDArray[Any], fills: tuple[float, ...]) -> Bool:
    """Return of each voxel in the sample whether a value outside the fan stands `EDGE` voxels from it."""
    places = [
        sample_evenly(
            np.broadcast_to(np.expand_dims(np.arange(length), [a for a in range(3) if a != axis]), data.shape)
        )
        for axis, length in enumerate(data.shape)
    ]
    near = np.zeros(places[0].shape, np.bool_)
    for direction in DIRECTIONS:
        beside = [
            np.clip(place + EDGE * step, 0, length - 1)
            for place, step, length in zip(places, direction, data.shape, strict=True)
        ]
        near |= np.isin(data[tuple(beside)], fills)
    return near


def _find_marks(echoes: NDArray[Any], most: float, width: float) -> float:
    """Return the value from which on there are marks, or infinity: values alike, above a range without any voxel."""
    tail, marks = np.sort(echoes[echoes >= most]).astype(np.float64), np.inf
    while (steps := np.diff(tail)[: max(0, tail.size - 1 - round(RARE * echoes.size))]).size:
        at = int(steps.argmax())
        first, last = np.quantile(tail[at + 1 :], (0.1, 0.9))
        if steps[at] <= max(width, last - first):
            break
        marks, tail = float(tail[at] + tail[at + 1]) / 2, tail[: at + 1]
    return marks
