import numpy as np
import pytest

from app.imaging import metrics


def box(*slices: slice) -> np.ndarray:
    mask = np.zeros((12, 12, 12), dtype=np.uint8)
    mask[slices] = 1
    return mask


A = box(slice(2, 6), slice(2, 6), slice(2, 6))  # 64 voxels
B = box(slice(4, 8), slice(2, 6), slice(2, 6))  # 64 voxels, 32 shared
EMPTY = box(slice(0, 0))


def test_overlap_metrics_of_hand_worked_boxes() -> None:
    dsc = metrics.dsc(A, B)
    assert dsc == 0.5
    assert metrics.jaccard(dsc) == pytest.approx(1 / 3)
    assert metrics.conformity(dsc) == -1.0


def test_conformity_agrees_with_the_papers_mean_dsc() -> None:
    assert metrics.conformity(0.9605) == pytest.approx(0.9177, abs=1e-4)


@pytest.mark.parametrize(
    ("estimate", "truth", "dsc", "conformity", "distance"),
    [(EMPTY, EMPTY, 1.0, 1.0, 0.0), (EMPTY, A, 0.0, None, None), (A, EMPTY, 0.0, None, None)],
)
def test_empty_masks_have_declared_values(
    estimate: np.ndarray, truth: np.ndarray, dsc: float, conformity: float | None, distance: float | None
) -> None:
    found_dsc = metrics.dsc(estimate, truth)
    assert (found_dsc, metrics.jaccard(found_dsc), metrics.conformity(found_dsc)) == (dsc, dsc, conformity)
    found = metrics.measure_boundary_distances(estimate, truth, (1.0, 1.0, 1.0))
    assert (found.adb_mm, found.hdb_mm) == (distance, distance)


def test_distances_of_two_voxels_are_in_mm() -> None:
    a, b = box(slice(1, 2), slice(1, 2), slice(1, 2)), box(slice(4, 5), slice(1, 2), slice(1, 2))
    assert metrics.measure_boundary_distances(a, b, (0.5, 1.0, 1.0)) == metrics.BoundaryDistances(1.5, 1.5)


def test_average_distance_is_the_mean_of_both_directed_means() -> None:
    line = box(slice(1, 11), slice(5, 6), slice(5, 6))
    point = box(slice(1, 2), slice(5, 6), slice(5, 6))
    found = metrics.measure_boundary_distances(line, point, (1.0, 1.0, 1.0))
    assert found.adb_mm == pytest.approx((0 + 4.5) / 2)
    assert found.hdb_mm == 9.0


def test_spheres_of_known_distance() -> None:
    grid = np.indices((80, 80, 80)) - 39.5
    radius = np.sqrt((grid**2).sum(axis=0))
    found = metrics.measure_boundary_distances(radius < 32, radius < 30, (0.5, 0.5, 0.5))
    assert found.adb_mm == pytest.approx(1.0, abs=0.1)
    assert found.hdb_mm is not None
    assert 1.0 <= found.hdb_mm <= 1.5


def test_masks_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        metrics.dsc(A, A[1:])
