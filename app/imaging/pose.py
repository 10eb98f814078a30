"""The pose of the head, from where the last level's network says that each voxel lies between its ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.contract.findings import HeadPose
from app.imaging.arrays import Float32, Float64
from app.imaging.volume import Float3, VolumeGeometry

UNIT_MM = 50.0
"""The unit in which networks give places: about the radius of a head."""
PLACE_CHANNELS = 3
"""To the front and to the vertex of the cranium's centre, and the distance from the base plane, positive below it."""
LEAST_VOXELS = 50
LEAST_CERTAINTY = 0.5
"""Below this a pose is a guess, which is not told."""
DECIMALS = 4


@dataclass(frozen=True)
class Places:
    """Where voxels lie in the head: `values` (3, i, j, k) in units of `UNIT_MM`, on their own coarser grid."""

    values: Float32
    geometry: VolumeGeometry

    def within(self, frame: VolumeGeometry, world: VolumeGeometry) -> Places:
        """Return the same where the grid `frame`, on which these were found, lies as `world` says."""
        to_world = world.affine @ np.linalg.inv(frame.affine)
        return Places(self.values, VolumeGeometry(self.geometry.shape, to_world @ self.geometry.affine))


def halve(values: Float32, geometry: VolumeGeometry) -> Places:
    """Return places (3, I, J, K) that fill each cube of 2 x 2 x 2 voxels with one value, one a cube."""
    shift = np.diag([2.0, 2.0, 2.0, 1.0])
    shift[:3, 3] = 0.5
    part = np.ascontiguousarray(values[:, ::2, ::2, ::2])
    return Places(part, VolumeGeometry(part.shape[1:], geometry.affine @ shift))


def find_pose(places: Places, in_head: NDArray[np.bool_]) -> HeadPose | None:
    """Find the pose from the places inside the head (i, j, k); None where too little of a head was found.

    The linear function of the position that is closest to a place, in the least-squares sense, has its direction as
    gradient. A network that is not sure draws places towards their mean, so the gradient's length, 1 for a rigid head,
    tells its certainty. Left follows from front and vertex: a head is too symmetrical to see it.
    """
    if np.count_nonzero(in_head) < LEAST_VOXELS:
        return None
    affine = places.geometry.affine
    world = np.argwhere(in_head) @ affine[:3, :3].T + affine[:3, 3]  # (n, 3) mm
    front, vertex, base = (_fit(world, told) for told in places.values[:, in_head].astype(np.float64) * UNIT_MM)
    up = vertex.direction
    ahead = front.direction - (front.direction @ up) * up
    ahead /= np.linalg.norm(ahead)
    left = np.cross(ahead, up)
    middle = world.mean(axis=0)
    centre = middle - front.at(middle) * ahead - vertex.at(middle) * up
    return HeadPose(
        left=_round(left),
        front=_round(ahead),
        vertex=_round(up),
        centre_mm=_round(centre, 2),
        base_normal=_round(base.direction),
        base_point_mm=_round(centre - base.at(centre) * base.direction, 2),
        certainty=round(min(1.0, front.length, vertex.length), DECIMALS),
    )


@dataclass(frozen=True)
class _Slope:
    """A linear function of the position: its gradient's direction (3,) and length, and its value at the middle."""

    direction: Float64
    length: float
    middle: Float64
    value: float

    def at(self, point: Float64) -> float:
        """Return how far a point lies from where the function is 0, mm along its direction."""
        return float(self.value / self.length + (point - self.middle) @ self.direction)


def _fit(world: Float64, told: Float64) -> _Slope:
    """Fit a linear function of the position (n, 3) to values (n,)."""
    middle = world.mean(axis=0)
    gradient, *_ = np.linalg.lstsq(world - middle, told - told.mean(), rcond=None)
    length = max(float(np.linalg.norm(gradient)), 1e-6)
    return _Slope(gradient / length, length, middle, float(told.mean()))


def _round(values: Float64, decimals: int = DECIMALS) -> Float3:
    x, y, z = (round(float(value), decimals) for value in values)
    return x, y, z
