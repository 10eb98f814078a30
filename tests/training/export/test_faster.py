"""Faster ways of serving a candidate: what passes is written and served, what does not leaves no trace."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from app.imaging.regions import RegionSpec
from app.inference.manifest import PrecisionGate, RegionGate
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from tests.helpers.makers import publish_threshold_model, sphere_volume
from training.export.faster import is_harmless, measure_precision, try_boxes, try_precisions
from training.export.graph.precision import half_file, half_precision
from training.phantom import Phantom, SimulationRequest, simulate

ON_CPU = RuntimeSettings(provider="cpu", threads=1)


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return simulate(SimulationRequest(seed=3, spacing=4.0))


def sphere(phantom: Phantom) -> Phantom:
    """A phantom whose image is a sphere: the threshold networks find nothing else."""
    volume = sphere_volume()
    truth = type(volume)((np.asarray(volume.data) > 110).astype(np.uint8), volume.geometry)
    return type(phantom)(volume, truth, truth, phantom.record)


def test_a_candidate_is_tried_in_half_precision_and_served_so_where_it_passes(tmp_path: Path, phantom: Phantom) -> None:
    candidate = publish_threshold_model(tmp_path)
    for number in (1, 2):
        graph = onnx.load(candidate / f"context_level_{number}.onnx")
        onnx.save(half_precision(graph), candidate / half_file(number))
    outcomes = {outcome.what: outcome for outcome in try_precisions(candidate, [sphere(phantom)])}
    assert outcomes["fp16"].passed
    stored = ModelStore(tmp_path).resolve("fetal_head")
    served = HeadSegmenter(stored, RuntimeSettings(provider="cpu", threads=1, precision="fp16"))
    served.selftest()
    assert served.precision == "fp16"
    assert served.segment(sphere_volume()).verdict == "ok"


def test_a_candidate_without_networks_in_half_precision_says_so(tmp_path: Path, phantom: Phantom) -> None:
    candidate = publish_threshold_model(tmp_path)
    *_, half = try_precisions(candidate, [sphere(phantom)])
    assert (half.what, half.passed) == ("fp16", False)
    assert half.detail == f"there is no {candidate}/context_level_2.fp16.onnx; export the run again"


@pytest.mark.parametrize(
    ("least", "change", "expected"), [(0.9995, 0.4, True), (0.998, 0.4, False), (0.9995, 0.6, False)]
)
def test_the_worst_case_decides(least: float, change: float, expected: bool) -> None:
    gate = PrecisionGate(cases=40, dsc_mean=0.9998, dsc_min=least, volume_change_percent_max=change)
    assert is_harmless(gate) is expected


def test_a_model_agrees_with_itself(tmp_path: Path, phantom: Phantom) -> None:
    publish_threshold_model(tmp_path)
    segmenter = HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), ON_CPU)
    gate = measure_precision(segmenter, segmenter, [sphere(phantom)])
    assert (gate.cases, gate.dsc_min, gate.volume_change_percent_max) == (1, 1.0, 0.0)


def test_a_box_is_written_and_used_only_where_it_costs_nothing(tmp_path: Path, phantom: Phantom) -> None:
    candidate = publish_threshold_model(tmp_path)  # these networks compare with the darkest voxel they see
    tight, wide = try_boxes(candidate, [sphere(phantom)], [200.0, 8.0])
    assert (tight.passed, wide.passed) == (False, True)
    assert str(tight).startswith("box with a margin of 8 mm: not served (+")
    stored = ModelStore(tmp_path).resolve("fetal_head")
    first, second = stored.manifest.levels
    assert first.region is None
    assert second.region == RegionSpec(margin_mm=200)
    assert second.region_gate == RegionGate(cases=1, dsc_loss=0)
    HeadSegmenter(stored, ON_CPU).selftest()


def test_a_level_that_learned_from_its_region_keeps_it(tmp_path: Path, phantom: Phantom) -> None:
    candidate = publish_threshold_model(tmp_path)
    before = ModelStore(tmp_path).resolve("fetal_head").manifest
    first, second = before.levels
    own = second.model_copy(update={"region": RegionSpec(margin_mm=4.0, extent_mm=128.0)})
    changed = before.model_copy(update={"levels": (first, own)})
    (candidate / "manifest.json").write_text(changed.model_dump_json())
    (outcome,) = try_boxes(candidate, [sphere(phantom)], [200.0, 8.0])
    assert not outcome.passed
    assert ModelStore(tmp_path).resolve("fetal_head").manifest == changed
