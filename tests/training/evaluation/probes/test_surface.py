from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.volume import Float3
from training.evaluation.probes.surface import extract_surface

SPACING: Float3 = (1.3, 1.3, 1.3)
RADIUS = 25.0


def sphere(radius: float = RADIUS, at: Float3 = (0, 0, 0), spacing: Float3 = SPACING) -> NDArray[np.bool_]:
    axes = [np.arange(round(80 / step)) * step - 40 - centre for step, centre in zip(spacing, at, strict=True)]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    inside: NDArray[np.bool_] = x**2 + y**2 + z**2 < radius**2
    return inside


@pytest.mark.parametrize("spacing", [SPACING, (0.9, 1.3, 1.8)])
def test_a_spheres_patches_have_its_area_and_point_outwards(spacing: Float3) -> None:
    patches = extract_surface(sphere(spacing=spacing), spacing).patches()
    from_centre = patches.centres - 40
    radii = np.linalg.norm(from_centre, axis=1)
    assert np.average(radii, weights=patches.areas) == pytest.approx(RADIUS, abs=0.1)
    assert patches.areas.sum() == pytest.approx(4 * np.pi * RADIUS**2, rel=0.03)
    assert np.linalg.norm(patches.normals, axis=1) == pytest.approx(1)
    assert ((patches.normals * from_centre).sum(axis=1) / radii).min() > 0.8


def test_a_surface_agrees_with_itself_to_nothing() -> None:
    surface = extract_surface(sphere(), SPACING)
    assert surface.depth_mm(surface.patches().centres) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("grown", [-5.0, -2.0, -0.65, 0.65, 1.0, 2.0, 5.0])
@pytest.mark.parametrize("spacing", [SPACING, (0.9, 1.3, 1.8)])
def test_a_grown_sphere_lies_outside_by_as_much(grown: float, spacing: Float3) -> None:
    truth = extract_surface(sphere(spacing=spacing), spacing).patches()
    depth = extract_surface(sphere(RADIUS + grown, spacing=spacing), spacing).depth_mm(truth.centres)
    assert np.average(depth, weights=truth.areas) == pytest.approx(grown, abs=0.1)
    assert depth.std() < 0.3


def test_a_shifted_sphere_lies_outside_on_one_side() -> None:
    truth = extract_surface(sphere(), SPACING).patches()
    depth = extract_surface(sphere(at=(2, 0, 0)), SPACING).depth_mm(truth.centres)
    along = (truth.centres[:, 0] - 40) / RADIUS
    assert np.average(depth, weights=truth.areas) == pytest.approx(0, abs=0.1)
    assert depth[along > 0.95].mean() == pytest.approx(2, abs=0.1)
    assert depth[along < -0.95].mean() == pytest.approx(-2, abs=0.1)
    assert depth[np.abs(along) < 0.05].mean() == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("step", [1, 2])
def test_a_single_voxel_and_a_mask_up_to_the_border_have_surfaces(step: int) -> None:
    for mask in (_speck(), np.ones((6, 5, 4), np.uint8)):
        patches = extract_surface(mask, SPACING, step).patches()
        assert patches.centres.mean(axis=0) == pytest.approx((np.argwhere(mask) * 1.3).mean(axis=0), abs=0.7 * step)


def _speck() -> NDArray[Any]:
    mask = np.zeros((7, 7, 7), np.uint8)
    mask[3, 2, 3] = 1
    return mask
