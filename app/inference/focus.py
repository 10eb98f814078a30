"""Where a context level looks: the box around the head that the level before found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from app.imaging.arrays import Float32
from app.imaging.postprocess import bounding_box, largest_component

Box = tuple[slice, slice, slice]


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
