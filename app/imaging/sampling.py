"""A sample of a volume's voxels that does not depend on the order in which they are stored."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

SAMPLES = 300_000


def sample_evenly(data: NDArray[Any]) -> NDArray[Any]:
    """Return about 300,000 voxels of a volume (I, J, K), flat: every nth along each axis, as far from either end."""
    step = max(1, round((data.size / SAMPLES) ** (1 / 3)))
    i, j, k = (_take_every(step, length) for length in data.shape)
    return data[i, j, k].ravel()


def _take_every(step: int, length: int) -> slice:
    """Return which voxels of an axis are taken: an odd step apart, so that they are the same ones from either end."""
    step = max(1, min(step, length - 1))
    step -= 1 - step % 2
    middle = (length - 1) // 2
    return slice((middle if length % 2 else middle - step // 2) % step, None, step)
