"""Where a context level looks: the box around the head that the locator, or the level before, found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from app.imaging.postprocess import Bool, bounding_box, largest_component
from app.imaging.resample import Float32

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Look:
    """The box that a level looks at, and what is said of the whole grid, float32 (I, J, K), before it has looked."""

    box: Box
    around: Float32

    @property
    def is_whole(self) -> bool:
        """Whether the box is the whole grid."""
        return self.box == everything(self.around.shape)


def head_box(probability: Float32, threshold: float, margin: int, divisor: int) -> Box:
    """Return the box around the largest component of a probability (I, J, K), grown by `margin` voxels on each side.

    Its edges are multiples of `divisor`, as the grid's are. Where nothing was found it is the whole grid.
    """
    head = largest_component(probability >= threshold)
    if not head.any():
        return everything(probability.shape)
    low, high = bounding_box(head, margin)
    return rounded(low, high, probability.shape, divisor)


def rounded(low: Sequence[int], high: Sequence[int], shape: tuple[int, ...], divisor: int) -> Box:
    """Return the box from `low` to before `high`, grown within a grid of this shape to multiples of `divisor`."""
    a, b, c = (_rounded(*edge, divisor) for edge in zip(low, high, shape, strict=True))
    return a, b, c


def is_cut(head: Bool, box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a head (bool, of the box's shape) reaches a side of the box that is not the grid's, or is not there."""
    if not head.any():
        return True
    low, high = bounding_box(head)
    below = any(first == 0 and side.start > 0 for first, side in zip(low, box, strict=True))
    sizes = zip(high, box, shape, strict=True)
    return below or any(last == side.stop - side.start and side.stop < length for last, side, length in sizes)


def everything(shape: tuple[int, ...]) -> Box:
    """Return the box that is the whole grid."""
    a, b, c = (slice(0, length) for length in shape)
    return a, b, c


def pasted(part: Float32, box: Box, around: Float32) -> Float32:
    """Return `part` in its box, and what was said before everywhere else."""
    whole: Float32 = np.array(around)
    whole[box] = part
    return whole


def _rounded(low: int, high: int, length: int, divisor: int) -> slice:
    """Return the range grown to a multiple of `divisor`, evenly on both sides but within 0 to `length`."""
    size = min(length, divisor * math.ceil((high - low) / divisor))
    start = min(max(0, low - (size - (high - low)) // 2), length - size)
    return slice(start, start + size)
