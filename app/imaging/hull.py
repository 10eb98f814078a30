"""The convex hull of a mask."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from app.imaging.arrays import Bool
from app.imaging.volume import AXES

FLAT: Final = 1e-4
"""Steps of the grid by which a voxel may lie beyond a face of the hull, since faces are rounded to as much."""


def find_hull(mask: Bool) -> Bool:
    """Return the convex hull of a mask (I, J, K), filled line by line; a mask that is flat or empty is its own hull."""
    points = np.concatenate([_ends(mask, axis) for axis in AXES])
    try:
        planes = np.unique(ConvexHull(np.unique(points, axis=0)).equations.round(4), axis=0)
    except (QhullError, ValueError):
        return mask
    i, j = (side.ravel() for side in np.indices(mask.shape[:2]))
    reach = np.outer(i, planes[:, 0]) + np.outer(j, planes[:, 1]) + planes[:, 3]
    slope = planes[:, 2]
    up, down, along = slope > FLAT, slope < -FLAT, np.abs(slope) <= FLAT
    first = np.max(-reach[:, down] / slope[down], axis=1, initial=0)
    last = np.min(-reach[:, up] / slope[up], axis=1, initial=mask.shape[2] - 1)
    last[(reach[:, along] > FLAT).any(axis=1)] = -1
    k = np.arange(mask.shape[2])
    within: Bool = (k >= first[:, None] - FLAT) & (k <= last[:, None] + FLAT)
    return within.reshape(mask.shape) | mask


def _ends(mask: Bool, axis: int) -> NDArray[np.intp]:
    """Return the first and last voxel of a mask on each line along an axis, (n, 3): no others can be corners."""
    length = mask.shape[axis]
    lines = np.argwhere(mask.any(axis=axis))
    first, last = mask.argmax(axis=axis), length - 1 - np.flip(mask, axis).argmax(axis=axis)
    return np.concatenate([np.insert(lines, axis, end[tuple(lines.T)], axis=1) for end in (first, last)])
