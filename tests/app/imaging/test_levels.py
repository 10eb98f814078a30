"""What a context level is given, and what becomes of its answer."""

from __future__ import annotations

import numpy as np
import pytest

from app.imaging.arrays import Float32
from app.imaging.levels import LevelSpec, run_level, run_levels
from app.imaging.preprocess import PreprocessingSpec, preprocess, resample_coarser
from app.imaging.regions import RegionSpec
from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.makers import sphere_volume

SERVED = PreprocessingSpec(spacing_mm=2.0)
COARSE = LevelSpec(grid_spacing_mm=4.0)
BOX = LevelSpec(region=RegionSpec(margin_mm=8.0))
CUBE = LevelSpec(region=RegionSpec(margin_mm=4.0, extent_mm=96.0))


class Network:
    """Says how far each voxel of its image is above the mean of what it is given; keeps what that was."""

    def __init__(self) -> None:
        self.seen: list[tuple[Float32, Float32 | None]] = []

    def __call__(self, image: Float32, context: Float32 | None) -> Float32:
        self.seen.append((image, context))
        return np.asarray(1 / (1 + np.exp(image.mean() - image)), np.float32)


@pytest.fixture(scope="module")
def image() -> Float32:
    volume = sphere_volume(30.0, (70, 56, 60), off_centre_mm=(40.0, 0.0, 10.0))
    return np.asarray(preprocess(volume, SERVED).tensor[0, 0])


@pytest.fixture(scope="module")
def below(image: Float32) -> Float32:
    """A head in the brightest part."""
    return np.asarray(np.where(image > 1, 0.9, 0), np.float32)


def test_a_level_of_the_served_grid_sees_the_volume_and_the_level_below(image: Float32, below: Float32) -> None:
    network = Network()
    found = run_level(LevelSpec(), network, image, below, SERVED).probability
    ((seen, context),) = network.seen
    np.testing.assert_array_equal(seen[0, 0], image)
    assert context is not None
    np.testing.assert_array_equal(context[0, 0], below)
    np.testing.assert_array_equal(found, Network()(image, None))


def test_a_level_of_a_coarser_grid_sees_the_volume_prepared_there(image: Float32, below: Float32) -> None:
    network = Network()
    found = run_level(COARSE, network, image, below, SERVED).probability
    ((seen, context),) = network.seen
    prepared = Volume(image, VolumeGeometry.from_spacing(image.shape, (2.0,) * 3))
    np.testing.assert_array_equal(seen[0, 0], resample_coarser(prepared, COARSE.grid(SERVED)).data)
    assert context is not None
    assert context.shape == seen.shape
    assert context.sum() == pytest.approx(below.sum() / 8, rel=0.02)
    assert found.shape == image.shape
    assert np.abs(found - Network()(image, None)).mean() < 0.1


@pytest.mark.parametrize("level", [BOX, CUBE])
def test_outside_of_its_region_the_level_below_stays(image: Float32, below: Float32, level: LevelSpec) -> None:
    network = Network()
    found = run_level(level, network, image, below, SERVED).probability
    ((seen, _),) = network.seen
    changed = np.argwhere(found != below)
    inside = tuple(slice(a, b + 1) for a, b in zip(changed.min(0), changed.max(0), strict=True))
    assert 0 < found[inside].size < 0.5 * image.size
    assert all(side.stop - side.start <= n for side, n in zip(inside, seen.shape[2:], strict=True))
    np.testing.assert_array_equal(found, np.where(found != below, found, below))
    assert all(n % SERVED.shape_divisor == 0 for n in seen.shape[2:])


def test_a_cube_beyond_the_volume_is_filled_by_its_darkest_value(image: Float32, below: Float32) -> None:
    network = Network()
    found = run_level(CUBE, network, image, below, SERVED).probability
    ((seen, context),) = network.seen
    assert seen.shape == (1, 1, 48, 48, 48)
    head = np.argwhere(below > 0)
    start = [(a + b + 1) // 2 - 24 for a, b in zip(head.min(0), head.max(0), strict=True)]
    assert start[0] + 48 > image.shape[0]
    beyond = image.shape[0] - start[0]
    assert (seen[0, 0, beyond:] == image.min()).all()
    assert context is not None
    assert (context[0, 0, beyond:] == 0).all()
    i, j, k = (slice(a, min(n, a + 48)) for a, n in zip(start, image.shape, strict=True))
    np.testing.assert_array_equal(seen[0, 0, :beyond], image[i, j, k])
    np.testing.assert_array_equal(found[i, j, k], Network()(seen, None)[0, 0, :beyond])


@pytest.mark.parametrize("level", [BOX, CUBE])
def test_where_nothing_was_found_a_level_sees_the_whole_volume(image: Float32, level: LevelSpec) -> None:
    network = Network()
    run_level(level, network, image, np.zeros_like(image), SERVED)
    ((seen, _),) = network.seen
    np.testing.assert_array_equal(seen[0, 0], image)


def test_a_region_on_a_grid_of_its_own_changes_nothing_outside(image: Float32, below: Float32) -> None:
    network = Network()
    found = run_level(LevelSpec(grid_spacing_mm=4.0, region=BOX.region), network, image, below, SERVED).probability
    ((seen, _),) = network.seen
    kept = found == below
    assert 0.4 < kept.mean() < 1
    assert found[~kept].size == pytest.approx(8 * seen.size, rel=0.2)


def test_each_level_is_the_context_of_the_next(image: Float32) -> None:
    networks = [Network(), Network(), Network()]
    first, second, third = run_levels([COARSE, LevelSpec(), CUBE], networks, image, SERVED)
    (((_, nothing),), ((_, one),), ((_, two),)) = (network.seen for network in networks)
    assert nothing is None
    assert one is not None
    assert two is not None
    np.testing.assert_array_equal(one[0, 0], first)
    assert two.max() == second.max()
    assert (third != second).any()


def test_every_voxel_is_seen_where_that_is_asked_for() -> None:
    level = LevelSpec(grid_spacing_mm=4.0, region=CUBE.region)
    assert level.everywhere == COARSE
    assert LevelSpec().everywhere == LevelSpec()
