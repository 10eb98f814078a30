"""Postprocessing: from the network's probability to a mask on the exact grid of the upload, and its volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from app.contract.value import Value
from app.imaging.arrays import Bool, Float32, UInt8
from app.imaging.components import find_components
from app.imaging.orientation import Orientation
from app.imaging.preprocess import Preprocessed, fill_cavities
from app.imaging.resample import resample
from app.imaging.volume import AXES, Index3, Volume, VolumeGeometry, corresponding_box

MM3_PER_ML = 1000.0
CONNECTIVITY: Literal[26] = 26
"""Foreground voxels that share a face, an edge or a corner belong together; background only by faces."""


class PostprocessingSpec(Value):
    """The rules by which a probability becomes a mask; a part of the model's manifest."""

    threshold: float = Field(default=0.5, gt=0.0, lt=1.0)
    largest_component: bool = True
    fill_holes: bool = True
    head_margin_mm: float = Field(default=4.0, ge=0.0)
    smallest_component_fraction: float = Field(default=0.01, ge=0.0, le=1.0)


@dataclass(frozen=True, eq=False)
class RestoredProbability:
    """The probability around the head on the source's grid.

    `values` float32 covers start <= index < stop of the source *after* `orientation`; it is 0 elsewhere.
    """

    values: Float32
    start: Index3
    stop: Index3
    orientation: Orientation


@dataclass(frozen=True, eq=False)
class HeadMask:
    """A mask `mask`, u8 (0/1) in the source's index order, and findings about it.

    `head` is the same mask within its bounding box, bool in the oriented index order, empty when nothing was found.
    `components` counts the components that are large enough to be a head.
    """

    mask: UInt8
    head: Bool
    components: int


def segment_mask(
    probability: Float32, preprocessed: Preprocessed, source_geometry: VolumeGeometry, spec: PostprocessingSpec
) -> HeadMask:
    """Return the head's mask on the source's grid.

    `probability` float32 (I, J, K) lies on the network's grid. It is resampled before it is thresholded: in the
    opposite order the surface would move by a fraction of a network voxel.
    """
    mask = np.zeros(source_geometry.shape, dtype=np.uint8, order="F")
    components = component_sizes(probability >= spec.threshold)
    if components.size == 0:
        return HeadMask(mask, np.zeros((0, 0, 0), dtype=bool), 0)
    restored = restore(probability, preprocessed, source_geometry, spec)
    head = restored.values >= spec.threshold
    if spec.largest_component:
        head = largest_component(head)
    if spec.fill_holes:
        head = fill_holes(head)
    box = tuple(slice(a, b) for a, b in zip(restored.start, restored.stop, strict=True))
    oriented_view(mask, restored.orientation)[box] = head
    significant = components >= spec.smallest_component_fraction * components.max()
    return HeadMask(mask, head, int(significant.sum()))


def restore(
    probability: Float32,
    preprocessed: Preprocessed,
    source_geometry: VolumeGeometry,
    spec: PostprocessingSpec | None = None,
) -> RestoredProbability:
    """Return `probability` (network grid) on the source's grid, inside the box of its largest component."""
    spec = spec or PostprocessingSpec()
    source = source_geometry.reorient(preprocessed.orientation.permutation, preprocessed.orientation.flips)
    found = probability >= spec.threshold
    head = largest_component(found) if spec.largest_component else found
    margin = 1 + math.ceil(spec.head_margin_mm / min(preprocessed.geometry.spacing_mm))
    low, high = bounding_box(head, margin)
    start, stop = corresponding_box(preprocessed.geometry.crop(low, high), source)
    outer_low, outer_high = bounding_box(head, margin + 1)  # so that interpolation has its neighbours
    crop = probability[tuple(slice(a, b) for a, b in zip(outer_low, outer_high, strict=True))]
    small = Volume(crop, preprocessed.geometry.crop(outer_low, outer_high))
    values = resample(small, source.crop(start, stop), fill="edge", antialias=False).data
    return RestoredProbability(values, start, stop, preprocessed.orientation)


def largest_component(mask: Bool) -> Bool:
    """Return the largest 26-connected component, or the mask itself where it has no more than one."""
    components = find_components(mask, CONNECTIVITY)
    if components.count <= 1:
        return mask
    return components.only(1 + int(components.sizes().argmax()))


def fill_holes(mask: Bool) -> Bool:
    """Return the mask with its closed cavities filled."""
    return fill_cavities(mask)


def component_sizes(mask: Bool) -> NDArray[np.int64]:
    """Return the number of voxels of each 26-connected component."""
    components = find_components(mask, CONNECTIVITY)
    if components.count <= 1:
        return np.full(components.count, np.count_nonzero(mask), dtype=np.int64)
    return components.sizes()


def head_volume_ml(mask: NDArray[Any], geometry: VolumeGeometry) -> float:
    """Return the mask's volume in mL: voxels x |det affine| / 1000."""
    return int(np.count_nonzero(mask)) * geometry.voxel_volume_mm3 / MM3_PER_ML


def bounding_box(mask: Bool, margin: int = 0) -> tuple[Index3, Index3]:
    """Return start and stop of the box around the mask, grown by `margin` voxels inside the array.

    An empty mask has the whole array as its box.
    """
    start, stop = [], []
    for axis in AXES:
        others = tuple(other for other in AXES if other != axis)
        used = np.flatnonzero(mask.any(axis=others))
        first, last = (int(used[0]), int(used[-1]) + 1) if used.size else (0, mask.shape[axis])
        start.append(max(0, first - margin))
        stop.append(min(mask.shape[axis], last + margin))
    return (start[0], start[1], start[2]), (stop[0], stop[1], stop[2])


def oriented_view(array: NDArray[Any], orientation: Orientation) -> NDArray[Any]:
    """Return a view of a source-order array in the oriented index order; writing to it writes to the array."""
    steps = tuple(slice(None, None, -1 if flip else 1) for flip in orientation.flips)
    return array.transpose(orientation.permutation)[steps]
