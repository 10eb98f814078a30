"""Marks that were burnt into a scan with its brightest value: crosses, text, a tracing, the border of a box.

The brighter an echo is, the brighter are the echoes beside it, and those beside a saturated one are the brightest. A
mark stands among echoes of any brightness.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.imaging.volume import AXES

NEARLY: Final = 0.06
"""Echoes that are darker than the brightest value by at most this share of the range show what is usual."""
FAR: Final = 0.4
"""By more than this share of the range are the echoes beside a mark darker than it."""
MARGIN, MORE_OFTEN = 0.1, 2.0
"""Beside the brightest value echoes are far darker in at most this share of the places, and this many times as often as
usual."""
SAMPLES: Final = 8_000_000
LOOKED_AT: Final = 30_000
"""About as many voxels, and of them bright ones, are looked at, evenly among all of them."""
FEWEST: Final = 200
"""Fewer places beside the brightest value, or beside values nearly as bright, tell nothing."""


def has_marks(data: NDArray[Any], low: float, fills: tuple[float, ...]) -> bool:
    """Return whether far darker echoes stand beside the greatest value of a volume (I, J, K) more often than is usual.

    `low` is the darkest echo, `fills` are the values outside the fan, which do not count.
    """
    top = float(data.max())
    span = top - low
    if span <= 0 or top in fills:
        return False
    data = data.transpose(sorted(AXES, key=lambda axis: -abs(data.strides[axis])))
    flat, step = data.ravel(), max(1, data.size // SAMPLES)
    bright = np.flatnonzero(flat[::step] >= top - NEARLY * span) * step
    bright = bright[:: max(1, bright.size // LOOKED_AT)]
    values = flat[bright].astype(np.float64)
    is_top = values == top
    drops = [values - beside for beside in _find_beside(data, bright, (top, *fills))]
    count, far = _count(drops, is_top, FAR * span)
    usual_count, usual_far = _count(drops, ~is_top, FAR * span)
    if min(count, usual_count) < FEWEST:
        return False
    return far / count > MARGIN + MORE_OFTEN * usual_far / usual_count


def _find_beside(data: NDArray[Any], places: NDArray[np.intp], but: tuple[float, ...]) -> list[NDArray[np.float64]]:
    """Return what stands on each of the six sides of voxels; not a number where that is one of the values `but`."""
    at, found = np.unravel_index(places, data.shape), []
    for axis in AXES:
        for step in (-1, 1):
            moved = [np.clip(index + step * (axis == a), 0, data.shape[a] - 1) for a, index in enumerate(at)]
            beside = data[tuple(moved)].astype(np.float64)
            found.append(np.where(np.isin(beside, but), np.nan, beside))
    return found


def _count(drops: list[NDArray[np.float64]], chosen: NDArray[np.bool_], far: float) -> tuple[int, int]:
    """Return at how many places beside the chosen voxels there are echoes, and at how many far darker ones."""
    count = sum(int(np.isfinite(drop[chosen]).sum()) for drop in drops)
    return count, sum(int((drop[chosen] > far).sum()) for drop in drops)
