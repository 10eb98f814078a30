"""The order and direction of a volume's axes, chosen by its content instead of its storage order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.imaging.volume import AXES, Bool3, Index3, Volume

TIE = 0.01
"""Extents that differ by less than this fraction count as equal."""
SLAB = 32


@dataclass(frozen=True)
class Orientation:
    """A permutation and flips: axis n of the oriented array is axis permutation[n], reversed where flips[n]."""

    permutation: Index3
    flips: Bool3

    def apply(self, volume: Volume) -> Volume:
        """Return the volume oriented, as a view."""
        return volume.reorient(self.permutation, self.flips)


def intrinsic_orientation(volume: Volume) -> Orientation:
    """Return the orientation that is the same for any storage order or flip of the same voxels.

    Axes are sorted by extent, the longest first; those within 1 % of each other by the distance of the intensity
    centroid from the middle. Each is flipped so that the centroid lies in its upper half. Sums over integers are exact.
    """
    spacing = volume.geometry.spacing_mm
    profiles = _sum_profiles(volume.data)
    moments = [_compute_moments(profile) for profile in profiles]
    offsets = [abs(first) * spacing[axis] for axis, (first, _) in enumerate(moments)]
    i, j, k = _sort_axes(volume.geometry.extent_mm, offsets)
    flip = [(first or third) < 0 for first, third in moments]
    return Orientation((i, j, k), (flip[i], flip[j], flip[k]))


def _sum_profiles(data: NDArray[Any]) -> list[NDArray[np.float64]]:
    """Return, per axis, the sum of all voxels at each index; exact for integers of up to 32 bits."""
    kind: type[Any] = np.float64 if data.dtype.kind == "f" else np.int64
    order = sorted(AXES, key=lambda axis: -abs(data.strides[axis]))
    stored = data.transpose(order)
    n0, n1, n2 = stored.shape
    slow, plane = np.empty(n0, dtype=kind), np.zeros((n1, n2), dtype=kind)
    for index in range(n0):
        slow[index] = stored[index].sum(dtype=kind)
    for start in range(0, n0, SLAB):
        plane += stored[start : start + SLAB].sum(axis=0, dtype=kind)
    by_stored_axis = [slow, plane.sum(axis=1), plane.sum(axis=0)]
    return [by_stored_axis[order.index(axis)].astype(np.float64) for axis in AXES]


def _compute_moments(profile: NDArray[np.float64]) -> tuple[float, float]:
    """Return the first and third moment of a profile about the middle of its axis (voxels), rounded to 1e-9."""
    weights = profile - profile.min()
    total = weights.sum()
    if total == 0:
        return 0.0, 0.0
    distance = np.arange(len(profile)) - (len(profile) - 1) / 2
    first = float(weights @ distance / total)
    third = float(weights @ distance**3 / total)
    return round(first, 9), round(third, 6)


def _sort_axes(extents: tuple[float, ...], offsets: list[float]) -> list[int]:
    """Return the axes by falling extent; runs of equal extents by falling centroid offset."""
    by_extent = sorted(AXES, key=lambda axis: -extents[axis])
    groups = [[by_extent[0]]]
    for longer, axis in itertools.pairwise(by_extent):
        if extents[axis] > extents[longer] * (1 - TIE):
            groups[-1].append(axis)
        else:
            groups.append([axis])
    return [axis for group in groups for axis in sorted(group, key=lambda a: -round(offsets[a], 6))]
