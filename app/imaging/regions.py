"""The region of interest of a context level: the part of the volume around the head that the level below found."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from pydantic import Field

from app.contract.value import Value
from app.imaging.arrays import Float32
from app.imaging.postprocess import bounding_box, largest_component
from app.imaging.volume import AXES, Float3, Index3


class RegionSpec(Value):
    """The rule by which a region follows from the probability of the level below; a part of the model's manifest.

    Without an extent the region is the box around the largest component and its margin, within the grid. With one it is
    a cube of that extent around the middle of the component, which may reach beyond the grid and grows where component
    and margin are larger.
    """

    margin_mm: float = Field(ge=0, description="that is left around the component on each side, at least")
    extent_mm: float | None = Field(default=None, gt=0, description="of a cube; None for a box as large as needed")
    threshold: float = Field(default=0.5, gt=0, lt=1, description="from which on the level below has found the head")


@dataclass(frozen=True)
class Box:
    """The voxels start <= index < stop of a grid; some of them may lie outside the grid."""

    start: Index3
    stop: Index3

    @property
    def shape(self) -> Index3:
        """The number of voxels along each axis."""
        i, j, k = (b - a for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k

    @property
    def middle(self) -> Float3:
        """The index of its middle; a fraction where the number of voxels is even."""
        i, j, k = ((a + b - 1) / 2 for a, b in zip(self.start, self.stop, strict=True))
        return i, j, k


def whole_box(shape: tuple[int, ...]) -> Box:
    """Return the box of all voxels of a grid of this shape."""
    i, j, k = shape
    return Box((0, 0, 0), (i, j, k))


def find_region(below: Float32, spec: RegionSpec, spacing_mm: float, divisor: int) -> Box:
    """Find the region from the probability of the level below, float32 (I, J, K); its sides are multiples of `divisor`.

    Where the level below found nothing, the region is the whole grid.
    """
    head = largest_component(below >= spec.threshold)
    if not head.any():
        return whole_box(below.shape)
    low, high = bounding_box(head)
    margin = math.ceil(spec.margin_mm / spacing_mm)
    if spec.extent_mm is None:
        sides = [_fit_box_side(low[axis], high[axis], margin, below.shape[axis], divisor) for axis in AXES]
    else:
        least = _count_voxels(spec.extent_mm, spacing_mm)
        sides = [_fit_cube_side(low[axis], high[axis], margin, least, divisor) for axis in AXES]
    (a, d), (b, e), (c, f) = sides
    return Box((a, b, c), (d, e, f))


def crop(values: Float32, box: Box, outside: float) -> Float32:
    """Return the values (I, J, K) in a box, and `outside` where it reaches beyond the grid."""
    edges = list(zip(box.start, box.stop, values.shape, strict=True))
    inside = values[tuple(slice(max(0, a), min(n, b)) for a, b, n in edges)]
    beyond = [(max(0, -a), max(0, b - n)) for a, b, n in edges]
    if not np.any(beyond):
        return np.ascontiguousarray(inside)
    return np.pad(inside, beyond, constant_values=outside)


def _fit_box_side(low: int, high: int, margin: int, length: int, divisor: int) -> tuple[int, int]:
    """Return the range extended by the margin and to a multiple of `divisor`, evenly but within 0 to `length`."""
    low, high = max(0, low - margin), min(length, high + margin)
    size = min(length, _round_up(high - low, divisor))
    start = min(max(0, low - (size - (high - low)) // 2), length - size)
    return start, start + size


def _fit_cube_side(low: int, high: int, margin: int, least: int, divisor: int) -> tuple[int, int]:
    """Return a range of at least `least` voxels around the middle of the given one, with its margin."""
    size = _round_up(max(least, high - low + 2 * margin), divisor)
    start = low - (size - (high - low)) // 2
    return start, start + size


def _count_voxels(extent_mm: float, spacing_mm: float) -> int:
    return math.ceil(extent_mm / spacing_mm - 1e-3)


def _round_up(size: int, divisor: int) -> int:
    return divisor * math.ceil(size / divisor)
