"""The pose of a head from places in it: exact for a rigid head, the same in any storage order, robust, or none."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging.arrays import Float32, Float64
from app.imaging.pose import UNIT_MM, Places, find_pose, halve
from app.imaging.volume import VolumeGeometry
from training.phantom.views import draw_rotation

SHAPE = (20, 24, 22)
CENTRE = np.array([4.0, -7.0, 3.0])
BASE = np.array([0.0, 0.28, -0.96])
BASE /= np.linalg.norm(BASE)
BELOW_MM = 45.0
ROTATION = draw_rotation(np.random.default_rng(5), 180.0)


def geometry(flip: bool = False) -> VolumeGeometry:
    affine = np.diag([-3.2 if flip else 3.2, 3.2, 3.2, 1.0])
    affine[:3, 3] = [30 if flip else -30, -38, -33]
    return VolumeGeometry(SHAPE, affine)


def tell(grid: VolumeGeometry) -> tuple[Places, Float64]:
    """Return what a perfect network tells on a grid, and how far each voxel lies from the centre, mm."""
    affine = grid.affine
    world = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1) @ affine[:3, :3].T
    head = (world + affine[:3, 3] - CENTRE) @ ROTATION.T
    told = np.concatenate([head[..., 1:], head @ BASE[:, None] - BELOW_MM], axis=-1)
    values: Float32 = (np.moveaxis(told, -1, 0) / UNIT_MM).astype(np.float32)
    return Places(values, grid), np.asarray(np.linalg.norm(head, axis=-1))


@pytest.mark.parametrize("flip", [False, True], ids=["as it is", "mirrored"])
def test_the_pose_of_a_rigid_head_is_exact(flip: bool) -> None:
    places, radius = tell(geometry(flip))
    pose = find_pose(places, radius < 30)
    assert pose is not None
    assert np.allclose([pose.left, pose.front, pose.vertex], ROTATION, atol=1e-3)
    assert np.allclose(pose.centre_mm, CENTRE, atol=0.1)
    assert np.allclose(pose.base_normal, BASE @ ROTATION, atol=1e-3)
    assert np.allclose(pose.base_point_mm, CENTRE + BELOW_MM * BASE @ ROTATION, atol=0.1)
    assert pose.certainty == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("channel", [0, 1], ids=["face", "vertex"])
def test_a_network_that_is_not_sure_keeps_the_direction_and_says_so(channel: int) -> None:
    places, radius = tell(geometry())
    inside, values = radius < 30, places.values.copy()
    values[channel] *= 0.3
    noisy = values + np.random.default_rng(1).normal(0, 0.05, values.shape).astype(np.float32)
    pose = find_pose(Places(noisy, places.geometry), inside)
    assert pose is not None
    assert np.allclose([pose.left, pose.front, pose.vertex], ROTATION, atol=0.05)
    assert np.allclose(pose.centre_mm, CENTRE, atol=1.0)
    assert pose.certainty == pytest.approx(0.3, abs=0.02)


def test_without_a_head_there_is_no_pose() -> None:
    places, _ = tell(geometry())
    assert find_pose(places, np.zeros(SHAPE, bool)) is None


def test_halving_keeps_where_each_cube_lies() -> None:
    fine = VolumeGeometry.from_spacing((8, 6, 4), (1.6, 1.6, 1.6))
    cubes = np.arange(4 * 3 * 2, dtype=np.float32).reshape(4, 3, 2)
    repeated = np.broadcast_to(cubes.repeat(2, 0).repeat(2, 1).repeat(2, 2), (3, 8, 6, 4))
    half = halve(np.array(repeated), fine)
    assert np.array_equal(half.values, np.broadcast_to(cubes, (3, 4, 3, 2)))
    assert np.allclose(half.geometry.spacing_mm, 3.2)
    assert np.allclose(half.geometry.affine[:3, 3], fine.affine[:3, 3] + 0.8)


def test_places_move_with_their_grid() -> None:
    places, radius = tell(geometry())
    moved = geometry().affine.copy()
    turn = draw_rotation(np.random.default_rng(8), 90.0)
    moved[:3, :3], moved[:3, 3] = turn @ moved[:3, :3], turn @ moved[:3, 3] + 10
    pose = find_pose(places.within(geometry(), VolumeGeometry(SHAPE, moved)), radius < 30)
    assert pose is not None
    assert np.allclose([pose.left, pose.front, pose.vertex], ROTATION @ turn.T, atol=1e-3)
    assert np.allclose(pose.centre_mm, turn @ CENTRE + 10, atol=0.1)
