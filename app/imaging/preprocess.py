"""Preprocessing: from a volume in any storage order to the network's input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from app.contract.value import Value
from app.imaging.arrays import Float32
from app.imaging.components import find_components
from app.imaging.errors import NotMeasurable
from app.imaging.field_of_view import clean_values, fill_pockets
from app.imaging.gamma import STEPS, correct_gamma
from app.imaging.orientation import Orientation, intrinsic_orientation
from app.imaging.resample import resample
from app.imaging.volume import Index3, Volume, VolumeGeometry, corresponding_box

FIELD_OF_VIEW_LEVEL = 0.002
"""Scan converters write their lowest value outside the insonified region; speckle lies above it."""


class PreprocessingSpec(Value):
    """The form of a network's input; a part of the model's manifest."""

    spacing_mm: float = Field(gt=0.1, le=6.0)
    shape_divisor: int = Field(default=8, ge=1, le=64)
    clip: tuple[float, float] = (-3.0, 6.0)
    median_grey: float | None = Field(
        default=None, gt=0, lt=1, description="median echo after gamma correction, as a share of a bright one; or none"
    )


@dataclass(frozen=True, eq=False)
class Preprocessed:
    """A network's input and what is needed to map its output back to the source.

    `tensor` is float32 (1, 1, I, J, K); `geometry` its grid, whose index axes are those of the source after
    `orientation`; `field_of_view` bool (I, J, K) is true where the scanner recorded something. Low-passing carries
    it up to one network voxel beyond the true edge. `covered` is the box (start, stop) of network voxels whose centre
    lies in the source; the rest is padding.
    """

    tensor: Float32
    geometry: VolumeGeometry
    orientation: Orientation
    field_of_view: NDArray[np.bool_]
    covered: tuple[Index3, Index3]


def preprocess(volume: Volume, spec: PreprocessingSpec) -> Preprocessed:
    """Correct the gamma, orient by content, resample, find the field of view, normalise.

    The same voxels in any storage order, flip, number type or pose give the identical tensor.
    Raises `NotMeasurable` for a constant volume.
    """
    volume = clean_values(volume)
    value_range = _find_value_range(volume.data)
    if spec.median_grey is not None:
        volume, value_range = correct_gamma(volume, spec.median_grey), (0.0, STEPS)
    orientation = intrinsic_orientation(volume)
    oriented = orientation.apply(volume)
    seen, field_of_view = _resample_and_normalise(oriented, value_range, spec)
    covered = corresponding_box(oriented.geometry, seen.geometry)
    return Preprocessed(seen.data[None, None], seen.geometry, orientation, field_of_view, covered)


def resample_coarser(prepared: Volume, spec: PreprocessingSpec) -> Volume:
    """Resample one network's input to another network's coarser grid and normalise it by that one's rules.

    Raises `NotMeasurable` where no part of the volume is left on that grid.
    """
    return _resample_and_normalise(prepared, _find_value_range(prepared.data), spec)[0]


def resample_mask_like(mask: Volume, preprocessed: Preprocessed) -> Float32:
    """Return a source-grid mask (0/1) as soft truth in [0, 1], float32 (I, J, K), on the network's grid."""
    oriented = preprocessed.orientation.apply(mask)
    soft = resample(Volume(oriented.data, oriented.geometry), preprocessed.geometry).data
    return np.clip(soft, 0.0, 1.0, out=soft)


def fill_cavities(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask with every cavity filled that is closed against the array's border (6-connected).

    A mask without cavities is returned unchanged.
    """
    background = np.pad(~mask, 1, constant_values=True)
    components = find_components(background, 6)
    if components.count == 1:
        return mask
    outside = components.only(components.at(0, 0, 0))
    filled: NDArray[np.bool_] = ~outside[1:-1, 1:-1, 1:-1]
    return filled


def normalise(values: Float32, field_of_view: NDArray[np.bool_], clip: tuple[float, float]) -> Float32:
    """Return (value - mean) / SD, both taken inside the field of view, clipped."""
    inside = values[field_of_view]
    if inside.size == 0:
        raise NotMeasurable("empty_field_of_view", "nothing is left of the volume on the network's grid")
    mean, sd = float(inside.mean(dtype=np.float64)), float(inside.std(dtype=np.float64))
    if sd == 0:
        raise NotMeasurable("constant_image", "the volume is constant on the network's grid")
    normalised = (values - np.float32(mean)) * np.float32(1 / sd)
    return np.clip(normalised, clip[0], clip[1], out=normalised)


def _resample_and_normalise(
    volume: Volume, value_range: tuple[float, float], spec: PreprocessingSpec
) -> tuple[Volume, NDArray[np.bool_]]:
    """Return the volume on a network's grid, normalised, and the field of view there."""
    low, high = value_range
    geometry = volume.geometry.rescale(spec.spacing_mm, spec.shape_divisor)
    resampled = resample(volume, geometry, fill=low).data
    echoes = resampled > low + FIELD_OF_VIEW_LEVEL * (high - low)
    field_of_view = fill_pockets(fill_cavities(echoes), spec.spacing_mm)
    return Volume(normalise(resampled, field_of_view, spec.clip), geometry), field_of_view


def _find_value_range(data: NDArray[Any]) -> tuple[float, float]:
    low, high = float(data.min()), float(data.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise NotMeasurable("not_finite", "the volume holds values that are not finite")
    if low == high:
        raise NotMeasurable("constant_image", f"every voxel has the value {low:g}", expected="an image")
    return low, high
