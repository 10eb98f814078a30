"""The paper's metrics against an independent implementation (MONAI) and against bodies whose answers are known."""

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from app.imaging import metrics
from app.statistics.agreement import measure_agreement
from training.evaluation.statistics.reproducibility import summarise_spread

pytestmark = pytest.mark.filterwarnings("ignore:.*always_return_as_numpy:FutureWarning")  # MONAI calls itself so
SPACING = (0.5, 0.8, 1.1)


def ellipsoid(centre: tuple[float, float, float], radii: tuple[float, float, float]) -> np.ndarray:
    grid = np.indices((48, 40, 36), dtype=float)
    distance = sum(((grid[n] * SPACING[n] - centre[n]) / radii[n]) ** 2 for n in range(3))
    return np.asarray(distance < 1)


TRUTH = ellipsoid((12, 16, 19), (9, 12, 14))
ESTIMATES = {
    "shifted": ellipsoid((13.5, 15, 20), (9, 12, 14)),
    "smaller": ellipsoid((12, 16, 19), (7, 11, 12)),
    "with a speck far away": ellipsoid((12, 16, 19), (9, 12, 14)) | ellipsoid((21, 28, 36), (1.5, 1.5, 1.5)),
}


def tensor(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(mask.astype(np.float32))[None, None]


@pytest.fixture(scope="module")
def monai() -> Any:
    """Imported here, since that takes seconds."""
    return importlib.import_module("monai.metrics")


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATES)
def test_overlap_is_monais(name: str, monai: Any) -> None:
    dsc = metrics.dsc(ESTIMATES[name], TRUTH)
    pair = (tensor(ESTIMATES[name]), tensor(TRUTH))
    assert dsc == pytest.approx(float(monai.compute_dice(*pair)), abs=1e-6)
    assert metrics.jaccard(dsc) == pytest.approx(float(monai.compute_iou(*pair)), abs=1e-6)
    assert metrics.conformity(dsc) == pytest.approx(3 - 2 / dsc)


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATES)
def test_distances_are_monais_in_millimetres(name: str, monai: Any) -> None:
    found = metrics.measure_boundary_distances(ESTIMATES[name], TRUTH, SPACING)
    a, b = tensor(ESTIMATES[name]), tensor(TRUTH)
    directed = [
        float(monai.compute_average_surface_distance(one, other, include_background=True, spacing=SPACING))
        for one, other in ((a, b), (b, a))
    ]
    assert found.adb_mm == pytest.approx(sum(directed) / 2, abs=1e-4)
    farthest = float(monai.compute_hausdorff_distance(a, b, include_background=True, spacing=SPACING))
    assert found.hdb_mm == pytest.approx(farthest, abs=1e-4)


@pytest.mark.parametrize(("spacing", "tolerance"), [(0.95, 0.15), (0.5, 0.1)])
def test_concentric_spheres_are_their_difference_apart(spacing: float, tolerance: float) -> None:
    n = round(90 / spacing)
    radius = np.sqrt(sum((axis * spacing - 45) ** 2 for axis in np.indices((n, n, n), sparse=True)))
    found = metrics.measure_boundary_distances(radius < 41, radius < 40, (spacing,) * 3)
    assert found.adb_mm == pytest.approx(1.0, abs=tolerance)
    assert found.hdb_mm is not None
    assert 1.0 <= found.hdb_mm <= 1.0 + spacing
    assert metrics.dsc(radius < 41, radius < 40) == pytest.approx(2 * 40**3 / (40**3 + 41**3), abs=0.002)


def test_a_shifted_sphere_is_as_far_away_as_it_was_shifted() -> None:
    grid = np.indices((90, 80, 80), sparse=True)
    spheres = [sum((axis - c) ** 2 for axis, c in zip(grid, (m, 40, 40), strict=True)) < 30**2 for m in (42, 45)]
    found = metrics.measure_boundary_distances(spheres[0], spheres[1], (1.0, 1.0, 1.0))
    assert found.hdb_mm == pytest.approx(3.0, abs=0.2)
    assert found.adb_mm == pytest.approx(1.5, abs=0.1)  # |3 cos(angle)| over a sphere


def test_agreement_is_scipys() -> None:
    rng = np.random.default_rng(4)
    true = rng.uniform(100, 450, 50)
    measured = true * 1.02 + rng.normal(0, 8, 50)
    found = measure_agreement(measured.tolist(), true.tolist())
    difference = measured - true
    assert found.pearson == pytest.approx(stats.pearsonr(measured, true).statistic)
    interval = stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    assert found.bias_ci95_ml == pytest.approx((interval.low, interval.high))
    assert found.proportional_bias == pytest.approx(stats.linregress((measured + true) / 2, difference).slope)
    half = stats.norm.ppf(0.975) * stats.tstd(difference)
    assert found.loa_half_width_ml == pytest.approx(half)
    inside = np.abs(difference - difference.mean()) <= half
    assert 0.88 <= inside.mean() <= 1


def test_repeatability_follows_from_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(5)
    volumes = rng.uniform(100, 450, (52, 1)) + rng.normal(0, 12, (52, 3))
    found = summarise_spread(volumes.tolist())
    variance_ratio = stats.f_oneway(*volumes).statistic
    assert found.icc == pytest.approx((variance_ratio - 1) / (variance_ratio + 2))
    assert found.mean_sd_ml == pytest.approx(np.mean([stats.tstd(row) for row in volumes]))
    assert found.mean_sd_population_ml == pytest.approx(found.mean_sd_ml * np.sqrt(2 / 3))
    assert found.within_subject_sd_ml == pytest.approx(np.sqrt(np.mean([stats.tvar(row) for row in volumes])))
    assert found.repeatability_coefficient_ml == pytest.approx(2.77 * found.within_subject_sd_ml)
