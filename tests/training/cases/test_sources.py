from functools import partial
from pathlib import Path

import numpy as np
import pytest

from app.imaging.preprocess import preprocess
from tests.training.spheres import write_sphere
from training.cases.augment import fit_to_grid, make_plain_sample
from training.cases.sources import (
    DataError,
    GridCases,
    PhantomCache,
    prepare,
)
from training.config.training import TrainingConfig


def test_dataset_array_equals_the_segmenters_array(cache: PhantomCache, smoke: TrainingConfig) -> None:
    case = cache.load(1)
    served = preprocess(case.image, smoke.preprocessing).tensor
    stored = make_plain_sample(prepare(case, smoke.preprocessing)).volume.numpy()
    assert np.array_equal(stored, served.astype(np.float16).astype(np.float32))


def test_truth_keeps_its_volume_on_the_network_grid(cache: PhantomCache, smoke: TrainingConfig) -> None:
    case = cache.load(1)
    prepared = prepare(case, smoke.preprocessing)
    source = float(case.truth.data.sum()) * case.truth.geometry.voxel_volume_mm3
    assert float(prepared.truth.sum(dtype=np.float64)) * 6.0**3 == pytest.approx(source, rel=0.01)


def test_labels_lie_where_the_truth_lies(cache: PhantomCache, smoke: TrainingConfig) -> None:
    prepared = prepare(cache.load(2), smoke.preprocessing)
    head = (prepared.tissues == 10) | (prepared.tissues == 7)
    truth = prepared.truth > 0.5
    assert 2 * (head & truth).sum() / (head.sum() + truth.sum()) > 0.97
    assert (prepared.tissues[~prepared.field_of_view] == 0).all()


def test_fitting_without_augmentation_changes_nothing_on_the_same_grid(
    cache: PhantomCache, smoke: TrainingConfig
) -> None:
    case = prepare(cache.load(0), smoke.preprocessing)
    i, j, k = case.image.shape
    sample = fit_to_grid(case, (i, j, k), smoke.preprocessing)
    assert np.allclose(sample.volume.numpy()[0, 0], case.image, atol=0.02)
    assert np.allclose(sample.truth.numpy()[0, 0], case.truth, atol=1e-3)


def test_new_files_are_found_while_training_runs(tmp_path: Path, smoke: TrainingConfig) -> None:
    write_sphere(tmp_path, 3)
    prepare_case = partial(prepare, spec=smoke.preprocessing)
    data = smoke.data.model_copy(update={"rescan_minutes": 0.0})
    cases = GridCases(PhantomCache(tmp_path), data, range(10), prepare_case)
    assert list(cases.seeds()) == [3]
    write_sphere(tmp_path, 4)
    write_sphere(tmp_path, 50)
    assert list(cases.seeds()) == [3, 4]


def test_an_empty_range_is_named(tmp_path: Path, smoke: TrainingConfig) -> None:
    cases = GridCases(PhantomCache(tmp_path), smoke.data, range(10), partial(prepare, spec=smoke.preprocessing))
    with pytest.raises(DataError, match="make phantoms first"):
        cases.draw(np.random.default_rng(0))
