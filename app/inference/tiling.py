"""Volumes answered tile by tile, overlaps averaged by a Gaussian: for networks that were trained on tiles.

The same function as MONAI's sliding window inferer in mode "gaussian", without torch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from app.inference.manifest import Tiling

Float32 = NDArray[np.float32]
Answer = Callable[[Float32], Float32]
"""A tile (1, 1, T, T, T) -> its probability, of the same shape."""

SIGMA = 0.125
"""Of the Gaussian, in tile lengths."""
SMALLEST_WEIGHT = 1e-3


def answer_by_tiles(volume: Float32, tiling: Tiling, answer: Answer) -> Float32:
    """Return the probability of a volume (1, 1, I, J, K), averaged over the tiles that see each voxel.

    A volume smaller than a tile is padded by its lowest value, which is what lies outside the field of view.
    """
    size = tiling.size_voxels
    before = [max(0, size - n) // 2 for n in volume.shape[2:]]
    after = [max(0, size - n) - b for n, b in zip(volume.shape[2:], before, strict=True)]
    margins = [(0, 0), (0, 0), *zip(before, after, strict=True)]
    padded = np.pad(volume, margins, constant_values=float(volume.min()))
    weight = gaussian_weight(size)
    total, weights = np.zeros_like(padded), np.zeros(padded.shape[2:], np.float32)
    for start in itertools.product(*(starts(n, size, tiling.overlap) for n in padded.shape[2:])):
        i, j, k = (slice(a, a + size) for a in start)
        total[:, :, i, j, k] += weight * answer(np.ascontiguousarray(padded[:, :, i, j, k]))
        weights[i, j, k] += weight
    inner = tuple(slice(b, b + n) for b, n in zip(before, volume.shape[2:], strict=True))
    return np.ascontiguousarray((total / weights)[(slice(None), slice(None), *inner)])


def starts(length: int, size: int, overlap: float) -> list[int]:
    """Return the first voxel of each tile along an axis; the last tile ends where the axis ends."""
    step = max(1, int(size * (1 - overlap)))
    count = 1 + max(0, math.ceil((length - size) / step))
    return [min(n * step, length - size) for n in range(count)]


def gaussian_weight(size: int) -> Float32:
    """Return how much each voxel of a tile counts (T, T, T): its middle most, no voxel nothing."""
    distance = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    profile = np.exp(distance**2 / np.float32(-2 * (SIGMA * size) ** 2))
    weight = profile[:, None, None] * profile[:, None] * profile
    floor = max(float(weight.min()), SMALLEST_WEIGHT)
    return np.asarray(np.maximum(weight, floor), np.float32)
