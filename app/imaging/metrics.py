"""Overlap and boundary metrics of a mask against the truth (paper section 3.1).

Both masks empty: DSC, Jaccard and conformity are 1, distances 0. One empty: DSC and Jaccard 0, the others None.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from app.imaging import reliability
from app.imaging.arrays import Bool

Spacing = tuple[float, float, float]


@dataclass(frozen=True)
class BoundaryDistances:
    """Distances in mm between two surfaces, None where one mask is empty."""

    adb_mm: float | None
    hdb_mm: float | None


def dsc(estimate: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Return the Dice similarity coefficient of two masks (I, J, K): twice the intersection over the sum (eq. 6)."""
    e, g = _as_mask(estimate), _as_mask(truth)
    if e.shape != g.shape:
        raise ValueError(f"masks must have one shape, got {e.shape} and {g.shape}; restore to the source grid first")
    return reliability.dsc(e, g)


def jaccard(score: float) -> float:
    """Return the Jaccard index, intersection over union, for a DSC (eq. 6)."""
    return score / (2 - score)


def conformity(score: float) -> float | None:
    """Return the conformity (3 DSC - 2) / DSC: negative below a DSC of 2/3, None (minus infinity) at 0."""
    return None if score == 0 else (3 * score - 2) / score


def measure_boundary_distances(estimate: npt.ArrayLike, truth: npt.ArrayLike, spacing_mm: Spacing) -> BoundaryDistances:
    """Measure Adb, the mean of both directed mean distances, and Hdb, the larger of both directed maxima, in mm."""
    e, g = (find_surface_points(_as_mask(m), spacing_mm) for m in (estimate, truth))
    if len(e) == 0 or len(g) == 0:
        both_empty = len(e) == len(g)
        return BoundaryDistances(0.0, 0.0) if both_empty else BoundaryDistances(None, None)
    from_truth, from_estimate = _find_nearest(g, e), _find_nearest(e, g)
    adb = (float(from_truth.mean()) + float(from_estimate.mean())) / 2
    return BoundaryDistances(adb, max(float(from_truth.max()), float(from_estimate.max())))


def find_surface_points(mask: Bool, spacing_mm: Spacing) -> npt.NDArray[np.float64]:
    """Return the centres of voxels with a face to the background or to the array's border, in mm (n, 3)."""
    if not mask.any():
        return np.empty((0, 3))
    box = ndimage.find_objects(mask.astype(np.uint8))[0]
    inner = np.asarray(mask[box])
    index = np.argwhere(inner & ~ndimage.binary_erosion(inner))
    points: npt.NDArray[np.float64] = (index + [s.start for s in box]) * np.asarray(spacing_mm)
    return points


def _find_nearest(points: npt.NDArray[np.float64], surface: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the distance of each point to the nearest point of a surface (n,)."""
    return np.asarray(cKDTree(surface).query(points)[0])


def _as_mask(values: npt.ArrayLike) -> Bool:
    return np.asarray(values).astype(bool, copy=False)
