"""The uncertain parts of a mask: found on the network's grid, sampled on the planes of a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.imaging.arrays import Bool, Float32
from app.imaging.postprocess import largest_component
from app.imaging.preprocess import Preprocessed
from app.imaging.reliability import find_cut_off
from app.imaging.volume import Index3, VolumeGeometry

GENTLE_SLOPE_PER_MM = 0.05
"""A probability that rises more slowly than this takes 10 mm or more from a quarter to three quarters."""
SLIVER_PIXELS = 2


@dataclass(frozen=True)
class Plane:
    """A plane across a volume, drawn at a size in pixels: index `axis` is fixed at `index`."""

    axis: int
    index: int
    height: int
    width: int

    def positions(self, shape: Index3) -> NDArray[np.float64]:
        """Return the indices [i, j, k] of the pixels' centres, (3, height, width), in a volume of this shape."""
        rows, columns = (other for other in range(3) if other != self.axis)
        found = np.empty((3, self.height, self.width))
        found[self.axis] = self.index
        found[rows] = _locate_centres(self.height, shape[rows])[:, None]
        found[columns] = _locate_centres(self.width, shape[columns])
        return found


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """The uncertainty of a mask, from probabilities and field of view; arrays (I, J, K) on `geometry`.

    last       the last level's probability, in the head's component
    before     the same of the level before; None where there is one level only
    slope      the slope of the last level's probability, per mm
    cut_off    voxels at the edge of the field of view, and beyond it
    """

    geometry: VolumeGeometry
    threshold: float
    last: Float32
    before: Float32 | None
    slope: Float32
    cut_off: Bool

    def sample(self, plane: Plane, source: VolumeGeometry) -> PlaneUncertainty:
        """Sample the uncertainty on a plane of the source."""
        grid = np.linalg.inv(self.geometry.affine) @ source.affine
        positions = plane.positions(source.shape)
        at = np.tensordot(grid[:3, :3], positions, axes=1) + grid[:3, 3][:, None, None]
        last = _sample(self.last, at) >= self.threshold
        disagree = np.zeros_like(last)
        if self.before is not None:
            disagree = (_sample(self.before, at) >= self.threshold) != last
        return PlaneUncertainty(
            soft=_sample(self.slope, at) < GENTLE_SLOPE_PER_MM,
            cut_off=_sample(self.cut_off.astype(np.float32), at) > 0,
            disagree=ndimage.binary_opening(disagree, iterations=SLIVER_PIXELS),
        )


@dataclass(frozen=True, eq=False)
class PlaneUncertainty:
    """Pixels (height, width) where an outline would be soft or cut off, and where the levels disagree."""

    soft: Bool
    cut_off: Bool
    disagree: Bool


def find_uncertainty(levels: Sequence[Float32], preprocessed: Preprocessed, threshold: float) -> Uncertainty:
    """Find the uncertain parts of the mask from the levels' probabilities, float32 (I, J, K) each."""
    spacing = preprocessed.geometry.spacing_mm
    gradient = np.gradient(levels[-1], *spacing)
    return Uncertainty(
        geometry=preprocessed.geometry,
        threshold=threshold,
        last=_keep_head(levels[-1], threshold),
        before=_keep_head(levels[-2], threshold) if len(levels) > 1 else None,
        slope=np.sqrt(sum(np.square(part) for part in gradient)).astype(np.float32),
        cut_off=_find_cut_off(preprocessed),
    )


def _keep_head(probability: Float32, threshold: float) -> Float32:
    """Set the probability to 0 in every component but the largest."""
    found = probability >= threshold
    elsewhere = found & ~largest_component(found)
    return np.where(elsewhere, np.float32(0), probability)


def _find_cut_off(preprocessed: Preprocessed) -> Bool:
    """Mark the edge of the field of view as the flag `truncated` counts it."""
    covered, edge = find_cut_off(preprocessed)
    cut_off = np.ones(preprocessed.geometry.shape, dtype=bool)
    cut_off[covered] = edge
    return cut_off


def _locate_centres(pixels: int, voxels: int) -> NDArray[np.float64]:
    return (np.arange(pixels) + 0.5) * voxels / pixels - 0.5


def _sample(values: Float32, at: NDArray[np.float64]) -> Float32:
    found: Float32 = ndimage.map_coordinates(values, at, order=1, mode="nearest")
    return found
