"""Measurement of the quality numbers, on the network's grid where it is cheap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from app.contract.findings import HeadPose
from app.contract.report import QualityNumbers
from app.imaging.arrays import Bool, Float32
from app.imaging.postprocess import PostprocessingSpec, bounding_box, component_sizes, largest_component
from app.imaging.preprocess import Preprocessed
from app.imaging.volume import AXES

NEAR_VOXELS = 2
NEGLIGIBLE = 0.05
"""Probabilities below this count as background."""
MOMENT_SAMPLES = 50_000
REACH_VOXELS = 2
"""The field of view on the network's grid is one voxel too large; its neighbours are one voxel further in."""


def measure_reliability(
    levels: Sequence[Float32], preprocessed: Preprocessed, spec: PostprocessingSpec, pose: HeadPose | None = None
) -> QualityNumbers:
    """Measure the quality of the last level from all levels' probabilities, float32 (I, J, K) each."""
    last = levels[-1]
    found = last >= spec.threshold
    head = largest_component(found)
    voxels = int(head.sum())
    if voxels == 0:
        return QualityNumbers(components=0)
    sizes = component_sizes(found)
    low, high = bounding_box(head, NEAR_VOXELS + 1)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    near = dilate(head[box], NEAR_VOXELS) & (last[box] > NEGLIGIBLE)
    nearby = last[box][near].astype(np.float64)
    everywhere = float(last[last > NEGLIGIBLE].sum(dtype=np.float64))
    contact, outside = _measure_contact(head, preprocessed)
    agreement, change = _compare(levels, head, spec.threshold)
    return QualityNumbers(
        context_agreement_dsc=agreement,
        level_volume_change=change,
        foreground_entropy=float(_binary_entropy(nearby).mean()),
        components=int((sizes >= spec.smallest_component_fraction * sizes.max()).sum()),
        outside_mass_fraction=max(0.0, 1 - float(nearby.sum()) / everywhere),
        soft_volume_change=abs(float(nearby.sum()) - voxels) / voxels,
        ellipsoid_ratio=_measure_ellipsoid_ratio(head[box]),
        fov_contact_fraction=contact,
        outside_fov_fraction=outside,
        pose_certainty=None if pose is None else pose.certainty,
    )


def dsc(one: Bool, other: Bool) -> float:
    """Return the Dice similarity coefficient of two masks; 1 where both are empty."""
    total = int(one.sum()) + int(other.sum())
    return 2 * int((one & other).sum()) / total if total else 1.0


def dilate(mask: Bool, voxels: int = 1) -> Bool:
    """Return the mask grown across faces by so many voxels, within the array."""
    grown = mask.copy()
    for _ in range(voxels):
        before = grown.copy()
        for axis in AXES:
            upper, lower = _pair_slices(axis)
            grown[upper] |= before[lower]
            grown[lower] |= before[upper]
    return grown


def surface(mask: Bool) -> Bool:
    """Return the mask's voxels that share a face with a voxel outside it, or with the array's border."""
    return mask & dilate(np.pad(~mask, 1, constant_values=True))[1:-1, 1:-1, 1:-1]


def find_cut_off(preprocessed: Preprocessed) -> tuple[tuple[slice, ...], Bool]:
    """Return the part of the grid that the scan covers, and in it the edge of the field of view and what is beyond."""
    covered = tuple(slice(a, b) for a, b in zip(*preprocessed.covered, strict=True))
    beyond = ~preprocessed.field_of_view[covered]
    return covered, dilate(beyond, REACH_VOXELS) | surface(np.ones_like(beyond))


def _pair_slices(axis: int) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    everything = [slice(None)] * len(AXES)
    upper, lower = everything.copy(), everything.copy()
    upper[axis], lower[axis] = slice(1, None), slice(None, -1)
    return tuple(upper), tuple(lower)


def _compare(levels: Sequence[Float32], head: Bool, threshold: float) -> tuple[float | None, float | None]:
    """Return DSC and relative change of volume from the level before to the last, None with one level."""
    if len(levels) == 1:
        return None, None
    before = largest_component(levels[-2] >= threshold)
    voxels = int(head.sum())
    return dsc(before, head), abs(voxels - int(before.sum())) / voxels


def _binary_entropy(probability: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return -p log2 p - (1 - p) log2 (1 - p), in bits."""
    p = np.clip(probability, 1e-7, 1 - 1e-7)
    entropy: NDArray[np.float64] = -(p * np.log2(p) + (1 - p) * np.log2(1 - p))
    return entropy


def _measure_contact(head: Bool, preprocessed: Preprocessed) -> tuple[float, float]:
    """Return the parts of the head's surface that touch, and of its voxels that lie beyond, the field of view."""
    covered, cut_off = find_cut_off(preprocessed)
    outer = surface(head[covered])
    voxels, inside = int(head.sum()), int((head[covered] & preprocessed.field_of_view[covered]).sum())
    return int((outer & cut_off).sum()) / max(1, int(outer.sum())), (voxels - inside) / voxels


def _measure_ellipsoid_ratio(head: Bool) -> float:
    """Return voxels over the volume of the ellipsoid with the same covariance, 4/3 pi 5^(3/2) sqrt(det C)."""
    points = np.argwhere(head)
    sample = points[:: 1 + len(points) // MOMENT_SAMPLES].astype(np.float64)
    covariance = np.cov(sample.T, bias=True).reshape(3, 3) + np.eye(3) / 12
    return float(len(points) / (4 / 3 * math.pi * 5**1.5 * math.sqrt(np.linalg.det(covariance))))
