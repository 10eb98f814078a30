"""The samples of a swept curved array, and their conversion to a Cartesian volume.

With r the distance of a sample from the array's centre of curvature, theta its angle within the beam plane, phi the
angle of the sweep and b the distance from that centre to the axis of the sweep:
x = r sin(theta), y = (r cos(theta) - b) sin(phi), z = b + (r cos(theta) - b) cos(phi).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from app.imaging.arrays import Float64, UInt8
from app.imaging.errors import NotMeasurable
from app.imaging.volume import Volume, VolumeGeometry

FINEST_MM = 0.5
"""No finer grid is made: that is finer than the network's, and than what a probe resolves across its beams."""
SLAB_VOXELS = 2_000_000
WIDEST = math.radians(85)
"""How far a beam may lie from the middle of the fan."""
LONGEST_MM = 1000.0


@dataclass(frozen=True, eq=False)
class Beams:
    """Echoes (R, T, P) along beams: lengths in mm, angles in radians from the middle of the fan, rising."""

    echoes: NDArray[Any]
    first_radius: float
    radial_step: float
    sweep_offset: float
    theta: Float64
    phi: Float64

    def __post_init__(self) -> None:
        """Raise `NotMeasurable` where no probe sends such beams."""
        if not (self._has_angles() and self._has_lengths()):
            raise NotMeasurable(
                "impossible_beams",
                "the file describes beams that no probe sends",
                expected="beams up to 85 degrees from the middle of the fan, in rising order, that start beyond the "
                "axis of the sweep",
                remedy="export the scan again",
            )

    def _has_angles(self) -> bool:
        tables = (self.theta, self.phi)
        return all(np.abs(table).max() <= WIDEST and (np.diff(table) > 0).all() for table in tables)

    def _has_lengths(self) -> bool:
        steepest = math.cos(float(np.abs(self.theta).max()))
        starts_beyond = self.first_radius >= 0 and self.sweep_offset <= self.first_radius * steepest
        return self.radial_step > 0 and starts_beyond and max(self.last_radius, -self.sweep_offset) <= LONGEST_MM

    @property
    def last_radius(self) -> float:
        """The radius of the last sample of each beam, mm."""
        return self.first_radius + self.radial_step * (len(self.echoes) - 1)


def enclose(beams: Beams, most_voxels: int) -> VolumeGeometry:
    """Return an isotropic grid around all samples, as fine as they are along the beams or of about `most_voxels`."""
    low, high = _bounds(beams)
    step = max(FINEST_MM, beams.radial_step, float(np.prod(high - low) / most_voxels) ** (1 / 3))
    shape = tuple(int(count) for count in np.floor((high - low) / step) + 1)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = low
    return VolumeGeometry(shape, affine)


def _bounds(beams: Beams) -> tuple[Float64, Float64]:
    """Return the corners of the box around all samples, mm."""
    r = np.array([beams.first_radius, beams.last_radius])[:, None, None]
    theta, phi = beams.theta[None, :, None], beams.phi[None, None, :]
    depth = r * np.cos(theta) - beams.sweep_offset
    axes = (r * np.sin(theta), depth * np.sin(phi), beams.sweep_offset + depth * np.cos(phi))
    return np.array([axis.min() for axis in axes]), np.array([axis.max() for axis in axes])


def convert(beams: Beams, geometry: VolumeGeometry) -> Volume:
    """Return the volume (u8) on a grid that is aligned with the probe: 0 outside the fan, at least 1 within it."""
    volume: UInt8 = np.zeros(geometry.shape, np.uint8, order="F")
    x, y, z = (geometry.affine[n, 3] + geometry.affine[n, n] * np.arange(geometry.shape[n]) for n in range(3))
    thickness = max(1, SLAB_VOXELS // (len(x) * len(y)))
    for start in range(0, len(z), thickness):
        slab = slice(start, start + thickness)
        positions = _locate(beams, x[:, None, None], y[:, None], z[slab])
        within = [(p >= 0) & (p <= n - 1) for p, n in zip(positions, beams.echoes.shape, strict=True)]
        inside = np.logical_and.reduce(within)
        values = map_coordinates(beams.echoes, [p[inside] for p in positions], output=np.float32, order=1)
        volume[..., slab][inside] = np.clip(np.rint(values), 1, 255)
    return Volume(volume, geometry)


def _locate(beams: Beams, x: Float64, y: Float64, z: Float64) -> list[Float64]:
    """Return where among the samples (R, T, P) points lie, as broad as all of them; -1 beyond the angles."""
    drop = z - beams.sweep_offset
    depth = np.hypot(y, drop) + beams.sweep_offset  # r cos(theta)
    radius = (np.hypot(x, depth) - beams.first_radius) / beams.radial_step
    theta, phi = np.arctan2(x, depth), np.arctan2(y, drop)
    return list(np.broadcast_arrays(radius, _find(theta, beams.theta), _find(phi, beams.phi)))


def _find(angles: Float64, table: Float64) -> Float64:
    return np.interp(angles, table, np.arange(len(table)), left=-1, right=-1)
