"""Gamma correction: the same grey values whatever curve a scanner or a program applied to them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.imaging.sampling import sample_evenly
from app.imaging.volume import AXES, Volume

BRIGHT = 0.99
"""The quantile of the echoes to which their median is compared."""
WEAKEST, STRONGEST = 0.4, 6.0
"""The exponents between which a correction stays: one of a volume that is nearly all black would raise its noise."""
DARKEST_ECHO = 0.02
"""What every echo has at least after the correction, so that the fan's edge is found at any exponent."""
STEPS = 65535


def correct_gamma(volume: Volume, middle: float) -> Volume:
    """Return the volume as u16 with the power of its values for which the median echo is `middle` of a bright one.

    Echoes are the values above the smallest one, which becomes 0. Values that differ by a constant, a factor or a power
    give the same volume up to rounding; so does the same volume in any storage order or number type.
    """
    data = volume.data
    low, high = float(data.min()), float(data.max())
    echoes = _to_steps(sample_evenly(data), low, high)
    exponent = find_exponent(echoes[echoes > 0] / STEPS, middle)
    curve = DARKEST_ECHO + (1 - DARKEST_ECHO) * (np.arange(STEPS + 1) / STEPS) ** exponent
    curve[0] = 0
    table = np.rint(curve * STEPS).astype(np.uint16)
    if data.dtype.kind in "iu" and high - low <= STEPS:
        table = table[_to_steps(np.arange(int(low), int(high) + 1), low, high)]
        return Volume(_look_up(table, data if low == 0 else data.astype(np.int32) - int(low)), volume.geometry)
    return Volume(_look_up(table, _to_steps(data, low, high)), volume.geometry)


def find_exponent(echoes: NDArray[Any], middle: float) -> float:
    """Return the power of the echoes, in (0, 1], for which their median is `middle` of their 99th percentile."""
    found = measure_middle(echoes)
    if not 0 < found < 1:
        return 1.0
    return float(np.clip(np.log(middle) / np.log(found), WEAKEST, STRONGEST))


def measure_middle(echoes: NDArray[Any]) -> float:
    """Return the median of the echoes as a share of their 99th percentile; 0 where there are none."""
    if echoes.size == 0:
        return 0.0
    median, bright = np.quantile(echoes, (0.5, BRIGHT))
    return float(median / bright) if bright > 0 else 0.0


def _look_up(table: NDArray[np.uint16], steps: NDArray[Any]) -> NDArray[np.uint16]:
    """Return the table's value for each voxel, read and written in the order in which the voxels are stored."""
    order = sorted(AXES, key=lambda axis: -abs(steps.strides[axis]))
    stored: NDArray[np.uint16] = table[steps.transpose(order)]
    return stored.transpose(np.argsort(order))


def _to_steps(values: NDArray[Any], low: float, high: float) -> NDArray[np.uint16]:
    """Return where values lie from `low` (0) to `high` (65535)."""
    scaled = (values.astype(np.float32) - np.float32(low)) * np.float32(STEPS / (high - low))
    steps: NDArray[np.uint16] = np.rint(scaled).astype(np.uint16)
    return steps
