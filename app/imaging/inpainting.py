"""Filling of thin holes from around them."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from app.imaging.arrays import Bool, Float32
from app.imaging.volume import AXES

DEEPEST: Final = 4
"""Voxels that a thin hole reaches inwards at most."""


def inpaint(values: Float32, holes: Bool, otherwise: float) -> None:
    """Replace the holes of an array (I, J, K) from their rim inwards, each voxel by the mean of its known neighbours.

    Wherever they are deeper than `DEEPEST` voxels, they become `otherwise`. Time and memory grow with the holes alone,
    unless one is deep.
    """
    is_known = ~holes
    left = np.argwhere(holes)  # (n, 3)
    for _ in range(DEEPEST):
        left = _fill_rim(values, is_known, left)
    if left.size:
        deep = np.zeros_like(holes)
        deep[tuple(left.T)] = True
        values[binary_dilation(deep, iterations=DEEPEST, mask=holes)] = otherwise


def _fill_rim(values: Float32, is_known: Bool, left: NDArray[np.intp]) -> NDArray[np.intp]:
    """Replace the voxels that have known neighbours, and return the others, (m, 3)."""
    total, count = np.zeros(len(left)), np.zeros(len(left), np.intp)
    for axis in AXES:
        for step in (-1, 1):
            beside = left.copy()
            beside[:, axis] += step
            is_outside = (beside[:, axis] < 0) | (beside[:, axis] >= values.shape[axis])
            beside[is_outside] = left[is_outside]  # a hole itself, so not known
            counts: NDArray[Any] = is_known[tuple(beside.T)]
            total += np.where(counts, values[tuple(beside.T)], 0.0)
            count += counts
    at_rim = count > 0
    rim = tuple(left[at_rim].T)
    values[rim] = total[at_rim] / count[at_rim]
    is_known[rim] = True
    return left[~at_rim]
