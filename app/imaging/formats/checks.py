"""What is required of every volume, whatever format it came in: its size, its extent and its values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.contract.upload import SPACING_MM
from app.imaging.errors import NotMeasurable, TooLarge
from app.imaging.volume import Index3, VolumeGeometry

LARGEST_MAGNITUDE = 1e30


@dataclass(frozen=True)
class DecodeLimits:
    """Limits of accepted files, all checked against the header before voxels are unpacked."""

    max_bytes: int = 1 << 30
    max_voxels: int = 200_000_000
    min_axis_voxels: int = 8
    min_extent_mm: float = 20.0
    max_extent_mm: float = 400.0
    """A sector of 85 degrees that reaches 220 mm from the apex, the widest of an obstetric probe, is 300 mm wide."""
    spacing_mm: tuple[float, float] = SPACING_MM


def check_size(shape: Index3, size: int, limits: DecodeLimits) -> None:
    """Raise `TooLarge` where a header announces more voxels, or `size` bytes of them, than are accepted."""
    voxels = math.prod(shape)
    if voxels > limits.max_voxels or size > limits.max_bytes:
        raise TooLarge(
            "too_many_voxels",
            f"the header announces {voxels} voxels in {size} bytes",
            expected=f"at most {limits.max_voxels} voxels in {limits.max_bytes} bytes",
            got=" x ".join(map(str, shape)),
            remedy="crop the volume, or resample it to a coarser grid",
        )


def check_measurable(geometry: VolumeGeometry, limits: DecodeLimits) -> None:
    """Raise `NotMeasurable` for a grid that no scan of a fetal head has."""
    lowest, highest = limits.spacing_mm
    spacing = geometry.spacing_mm
    if not (lowest <= min(spacing) and max(spacing) <= highest):
        raise NotMeasurable(
            "spacing_out_of_range",
            "no ultrasound volume of a fetal head has this spacing",
            expected=f"{lowest:g} to {highest:g} mm along each axis",
            got=f"{_join(spacing)} mm",
            remedy="check the spacing and its unit in the file's header",
        )
    if min(geometry.shape) < limits.min_axis_voxels or min(geometry.extent_mm) < limits.min_extent_mm:
        raise NotMeasurable(
            "too_small",
            "the volume is too small to show a head",
            expected=f"at least {limits.min_axis_voxels} voxels and {limits.min_extent_mm:g} mm along each axis",
            got=f"{_join(geometry.shape)} voxels, {_join(geometry.extent_mm)} mm",
        )
    if max(geometry.extent_mm) > limits.max_extent_mm:
        raise NotMeasurable(
            "extent_too_large",
            "no ultrasound probe sees this far",
            expected=f"at most {limits.max_extent_mm:g} mm along each axis",
            got=f"{_join(geometry.extent_mm)} mm ({_join(geometry.shape)} voxels of {_join(spacing)} mm)",
            remedy="check the spacing and its unit in the file's header; cut away what is not of the scan",
        )


def check_values(raw: NDArray[Any], scaling: tuple[float, float] | None = None) -> NDArray[Any]:
    """Return the values in native byte order, scaled by slope and intercept; raise where they show nothing."""
    values = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        if scaling is not None:
            values = _scale(values, scaling)
        low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        raise NotMeasurable("not_finite", "voxels are not a number, or infinite", remedy="export the volume again")
    if max(-low, high) > LARGEST_MAGNITUDE:
        raise NotMeasurable(
            "values_out_of_range", f"values reach from {low:g} to {high:g}", expected=f"up to {LARGEST_MAGNITUDE:g}"
        )
    if low == high:
        raise NotMeasurable(
            "empty_image" if low == 0 else "constant_image",
            f"every voxel has the value {low:g}",
            expected="a scan",
            remedy="export the volume again",
        )
    return values


def _scale(values: NDArray[Any], scaling: tuple[float, float]) -> NDArray[Any]:
    """Return slope * value + intercept, in single precision for values of up to 16 bits."""
    slope, intercept = scaling
    scaled = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    np.multiply(scaled, slope, out=scaled)
    np.add(scaled, intercept, out=scaled)
    return scaled.astype(np.float32, copy=False)


def _join(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:.5g}" for value in values)
