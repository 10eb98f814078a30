"""The 3D probe: the positions of its samples, and their conversion to a Cartesian volume.

Geometry of a mechanically swept curved array, the one of GE Kretz files:
x = r sin(theta), y = (r cos(theta) - b) sin(phi), z = b (1 - cos(phi)) + r cos(theta) cos(phi), with the origin at the
centre of curvature of the array, r the distance from it, b the distance to the sweep axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from training.phantom.shapes import Field, Points

_ARC_DEPTH = 0.62
_SLAB = 24


@dataclass(frozen=True)
class Probe:
    """One probe and its settings: mm, degrees, MHz."""

    array_radius: float
    sweep_offset: float
    lateral_deg: float
    sweep_deg: float
    depth: float
    frequency_mhz: float
    cycles: float
    f_number: float
    aperture: float
    elevation_width: float
    elevation_focus: float

    @property
    def wavelength(self) -> float:
        """Wavelength in soft tissue, mm."""
        return 1.54 / self.frequency_mhz

    def to_polar(self, x: Field, y: Field, z: Field) -> tuple[Field, Field, Field]:
        """Return radius r (mm), theta and phi (rad) of points in the probe frame."""
        b = np.float32(self.sweep_offset)
        drop = z - b
        q = np.sqrt(y * y + drop * drop)
        return np.sqrt(x * x + (q + b) ** 2), np.arctan2(x, q + b), np.arctan2(y, drop)

    def sees(self, p: Points) -> NDArray[np.bool_]:
        """Return which points lie inside the fan."""
        r, theta, phi = self.to_polar(p.x, p.y, p.z)
        inside = (r >= self.array_radius) & (r <= self.array_radius + self.depth)
        inside &= np.abs(theta) <= np.deg2rad(self.lateral_deg / 2)
        return np.asarray(inside & (np.abs(phi) <= np.deg2rad(self.sweep_deg / 2)), np.bool_)


@dataclass(frozen=True)
class CartesianGrid:
    """The grid of the stored volume: shape (I, J, K) along x, y, z, spacing and first voxel centre in mm."""

    shape: tuple[int, int, int]
    spacing: float
    first: tuple[float, float, float]

    def axis(self, n: int) -> NDArray[np.float32]:
        """Return the voxel centres along axis `n`, mm, probe frame."""
        return np.asarray(self.first[n] + self.spacing * np.arange(self.shape[n]), np.float32)

    def holds(self, p: Points) -> NDArray[np.bool_]:
        """Return which points lie inside the volume."""
        inside = np.ones(p.x.shape, np.bool_)
        for n, c in enumerate((p.x, p.y, p.z)):
            low = self.first[n] - self.spacing / 2
            inside &= (c >= low) & (c <= low + self.spacing * self.shape[n])
        return inside


@dataclass(frozen=True)
class PolarGrid:
    """Sample positions: r (mm), theta, phi (rad), equidistant."""

    r: NDArray[np.float32]
    theta: NDArray[np.float32]
    phi: NDArray[np.float32]

    @property
    def shape(self) -> tuple[int, int, int]:
        """(R, T, P)."""
        return len(self.r), len(self.theta), len(self.phi)

    @property
    def steps(self) -> tuple[float, float, float]:
        """Step in mm along r and in rad along theta and phi."""
        return tuple(float(a[1] - a[0]) for a in (self.r, self.theta, self.phi))  # type: ignore[return-value]

    def points(self, sweep_offset: float) -> Points:
        """Return the samples in the probe frame, arrays (R, T, P)."""
        r = self.r[:, None, None]
        sin_t, cos_t = np.sin(self.theta)[None, :, None], np.cos(self.theta)[None, :, None]
        sin_p, cos_p = np.sin(self.phi)[None, None, :], np.cos(self.phi)[None, None, :]
        b = np.float32(sweep_offset)
        along = r * cos_t - b
        x = np.broadcast_to(r * sin_t, self.shape)
        return Points(np.ascontiguousarray(x), along * sin_p, b + along * cos_p)


def make_polar_grid(probe: Probe, box: CartesianGrid, arc: float, axial: float) -> PolarGrid:
    """Place samples about `axial` mm apart along the beam and `arc` mm across it, only as wide as the grid needs."""
    reach = probe.array_radius + _ARC_DEPTH * probe.depth
    theta = _limit_angle(np.deg2rad(probe.lateral_deg / 2), box, 0, probe)
    phi = _limit_angle(np.deg2rad(probe.sweep_deg / 2), box, 1, probe)
    return PolarGrid(
        _linspace(probe.array_radius, probe.array_radius + probe.depth, axial),
        _linspace(-theta, theta, arc / reach),
        _linspace(-phi, phi, 1.25 * arc / max(reach - probe.sweep_offset, 1.0)),
    )


def _limit_angle(limit: float, box: CartesianGrid, axis: int, probe: Probe) -> float:
    ends = np.abs([box.axis(axis)[0], box.axis(axis)[-1]]).max()
    near = probe.array_radius - (probe.sweep_offset if axis == 1 else 0.0)
    return float(min(limit, np.arctan2(ends + 2, max(0.9 * near, 1.0))))


def _linspace(low: float, high: float, step: float) -> NDArray[np.float32]:
    return np.linspace(low, high, max(int(np.ceil((high - low) / step)) + 1, 8), dtype=np.float32)


def scan_convert(image: Field, grid: PolarGrid, probe: Probe, box: CartesianGrid) -> NDArray[np.uint8]:
    """Convert a polar image (R, T, P), 0..1, to the stored u8 volume: exactly 0 outside the fan, at least 1 inside."""
    volume = np.zeros(box.shape, np.uint8)
    for rows, position in _locate(grid, probe, box):
        inside = _holds(grid, position)
        values = ndimage.map_coordinates(image, [p[inside] for p in position], order=1, mode="nearest")
        volume[rows][inside] = np.clip(np.rint(values * 255), 1, 255).astype(np.uint8)
    return volume


def convert_labels(labels: NDArray[np.uint8], grid: PolarGrid, probe: Probe, box: CartesianGrid) -> NDArray[np.uint8]:
    """Convert the labels of the samples (R, T, P) to those of the stored volume; each voxel takes the nearest."""
    volume = np.zeros(box.shape, np.uint8)
    for rows, position in _locate(grid, probe, box):
        nearest = [np.rint(p).astype(np.intp) for p in position]
        inside = _holds(grid, nearest)
        volume[rows][inside] = labels[tuple(n[inside] for n in nearest)]
    return volume


def _locate(grid: PolarGrid, probe: Probe, box: CartesianGrid) -> Iterator[tuple[slice, Sequence[Field]]]:
    """Yield slabs of the volume, and where in the grid of samples each of their voxels lies."""
    y, z = np.meshgrid(box.axis(1), box.axis(2), indexing="ij")
    for start in range(0, box.shape[0], _SLAB):
        rows = slice(start, start + _SLAB)
        coords = probe.to_polar(box.axis(0)[rows, None, None], y[None], z[None])
        axes = (grid.r, grid.theta, grid.phi)
        yield rows, np.broadcast_arrays(*((c - a[0]) / (a[1] - a[0]) for c, a in zip(coords, axes, strict=True)))


def _holds(grid: PolarGrid, position: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """Return which positions lie between the first and the last sample of each axis."""
    within = [(p >= 0) & (p <= n - 1) for p, n in zip(position, grid.shape, strict=True)]
    return np.asarray(np.logical_and.reduce(within))
