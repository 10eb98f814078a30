from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.imaging.volume import Volume
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from tests.helpers.makers import publish_threshold_model, sphere_volume
from tests.helpers.service import running_service
from training.evaluation.calibration import Labelled, find_unbiased_threshold
from training.evaluation.cases import evaluate_cases, read_journal, segment_in_process, segment_over_http
from training.phantom import SimulationRequest


@pytest.fixture
def store(tmp_path: Path) -> Path:
    publish_threshold_model(tmp_path / "models")
    return tmp_path / "models"


def segmenter(store: Path) -> HeadSegmenter:
    return HeadSegmenter(ModelStore(store).resolve("fetal_head"), RuntimeSettings(provider="cpu", threads=1))


def test_the_service_and_its_segmenter_give_the_same_answer(store: Path, tmp_path: Path) -> None:
    volume = sphere_volume()
    here = segment_in_process(segmenter(store))(volume, 26.0)
    with running_service(tmp_path / "data", store) as service:
        there = segment_over_http(str(service.client.base_url))(volume, 26.0)
    assert np.array_equal(here.mask, there.mask)
    assert (here.verdict, here.flags) == (there.verdict, there.flags)
    assert there.quality["components"] == 1


def test_a_volume_without_a_head_comes_back_as_an_empty_mask(store: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sphere = sphere_volume()
    noise = Volume(rng.integers(1, 4, sphere.data.shape, dtype=np.uint8), sphere.geometry)
    noise.data[0, 0, 0] = 255
    with running_service(tmp_path / "data", store) as service:
        answer = segment_over_http(str(service.client.base_url))(noise, None)
    assert answer.verdict == "reject"
    assert answer.mask.shape == sphere.data.shape


def test_cases_in_the_journal_are_not_measured_again(store: Path, tmp_path: Path) -> None:
    journal, segment = tmp_path / "out" / "test.jsonl", segment_in_process(segmenter(store))
    requests = [SimulationRequest(seed=seed, spacing=4.0) for seed in (1, 2)]
    first = list(evaluate_cases(requests, segment, journal, tmp_path / "phantoms"))
    lines = journal.read_text(encoding="utf-8")
    assert [r.seed for r in read_journal(journal)] == [1, 2]
    assert list(evaluate_cases(requests, segment, journal)) == first
    assert journal.read_text(encoding="utf-8") == lines


def test_the_unbiased_threshold_is_that_of_the_masks_as_they_are_served(store: Path) -> None:
    usual = segmenter(store)
    rules = usual.manifest.postprocessing.model_copy(update={"threshold": 0.46})
    truths = HeadSegmenter(replace(usual.model, manifest=usual.manifest.model_copy(update={"postprocessing": rules})))
    volumes = [sphere_volume(radius_mm) for radius_mm in (30.0, 38.0, 45.0)]
    scans = [Labelled(n, v, Volume(truths.segment(v).mask, v.geometry)) for n, v in enumerate(volumes)]
    found = find_unbiased_threshold(usual, scans)
    again = usual.manifest.model_copy(update={"postprocessing": rules.model_copy(update={"threshold": found})})
    served = HeadSegmenter(replace(usual.model, manifest=again))
    assert [served.segment(v).mask_volume_ml for v in volumes] == [truths.segment(v).mask_volume_ml for v in volumes]
