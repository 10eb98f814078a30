from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from app.contract.report import QualityNumbers
from app.imaging.postprocess import PostprocessingSpec
from app.imaging.regions import RegionSpec
from app.inference.manifest import REMOVED, ModelManifest, RegionGate
from app.inference.volume_interval import VolumeInterval
from tests.helpers.makers import publish_threshold_model


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> ModelManifest:
    folder = publish_threshold_model(tmp_path_factory.mktemp("store"))
    return ModelManifest.model_validate_json((folder / "manifest.json").read_bytes())


def test_a_manifest_survives_its_file(manifest: ModelManifest) -> None:
    assert ModelManifest.model_validate_json(manifest.model_dump_json()) == manifest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("surprise", 1),
        ("name", "../etc"),
        ("version", 0),
        ("levels", []),
        ("created", "2025-01-01T00:00:00"),
        ("schema_version", 2),
    ],
)
def test_what_a_manifest_must_not_say_is_refused(manifest: ModelManifest, field: str, value: object) -> None:
    content = {**json.loads(manifest.model_dump_json()), field: value}
    with pytest.raises(ValidationError):
        ModelManifest.model_validate_json(json.dumps(content))


@pytest.mark.parametrize("name", REMOVED)
def test_what_was_removed_may_be_named_by_an_earlier_version_but_not_asked_for(
    manifest: ModelManifest, name: str
) -> None:
    content = json.loads(manifest.model_dump_json())
    assert ModelManifest.model_validate_json(json.dumps(content | {name: None})) == manifest
    with pytest.raises(ValidationError, match=rf"removed features \({name}\)"):
        ModelManifest.model_validate_json(json.dumps(content | {name: {"margin_mm": 8}}))


def test_a_gate_of_int8_is_passed_over(manifest: ModelManifest) -> None:
    gate = {"cases": 40, "dsc_mean": 0.999, "dsc_min": 0.996, "volume_change_percent_max": 0.4}
    content = json.loads(manifest.model_dump_json())
    content["lower_precisions"] = [{"precision": name, "levels": [], "gate": gate} for name in ("bf16", "int8")]
    (kept,) = ModelManifest.model_validate_json(json.dumps(content)).lower_precisions
    assert kept.precision == "bf16"


def test_the_focus_of_an_earlier_version_is_the_region_of_every_level_above_the_first(manifest: ModelManifest) -> None:
    content = json.loads(manifest.model_dump_json()) | {
        "focus": {"margin_mm": 20.0, "cases": 20, "dsc_loss": 0.0002},
        "postprocessing": {"threshold": 0.4},
    }
    content["levels"] = [{name: level[name] for name in ("file", "sha256", "size")} for level in content["levels"]]
    first, second = ModelManifest.model_validate_json(json.dumps(content)).levels
    assert (first.region, first.region_gate) == (None, None)
    assert second.region == RegionSpec(margin_mm=20.0, threshold=0.4)
    assert second.region_gate == RegionGate(cases=20, dsc_loss=0.0002)
    assert second.file == "context_level_2.onnx"


@pytest.mark.parametrize("change", [{"focus": 3}, {"focus": {"margin_mm": 8}}, {"lower_precisions": 5}, {"levels": 3}])
def test_nonsense_is_refused_as_such(manifest: ModelManifest, change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ModelManifest.model_validate_json(json.dumps(json.loads(manifest.model_dump_json()) | change))


@pytest.mark.parametrize(
    ("number", "change"),
    [
        (0, {"region": {"margin_mm": 8}}),
        (0, {"grid_spacing_mm": 2.0}),
        (1, {"grid_spacing_mm": 1.0}),
        (1, {"region": {"margin_mm": -8}}),
        (1, {"region": {"margin_mm": 8, "surprise": 1}}),
    ],
)
def test_levels_that_cannot_be_are_refused(manifest: ModelManifest, number: int, change: dict[str, object]) -> None:
    content = json.loads(manifest.model_dump_json())
    content["levels"][number] |= change
    with pytest.raises(ValidationError):
        ModelManifest.model_validate_json(json.dumps(content))


@pytest.mark.parametrize("name", ["../level.onnx", "/etc/passwd", ".hidden", "a/b.onnx", ""])
def test_files_lie_in_the_versions_own_folder(manifest: ModelManifest, name: str) -> None:
    content = json.loads(manifest.model_dump_json())
    content["levels"][0]["file"] = name
    with pytest.raises(ValidationError):
        ModelManifest.model_validate_json(json.dumps(content))


def test_every_file_has_its_hash(manifest: ModelManifest) -> None:
    assert set(manifest.file_hashes) == {"context_level_1.onnx", "context_level_2.onnx", "selftest.npz"}


@pytest.mark.parametrize(
    ("interval", "volume_ml", "expected"),
    [
        (VolumeInterval(bias_percent=0, half_width_percent=10, floor_ml=5), 200.0, (180.0, 220.0)),
        (VolumeInterval(bias_percent=2, half_width_percent=10, floor_ml=5), 200.0, (176.0, 216.0)),
        (VolumeInterval(bias_percent=-2, half_width_percent=10, floor_ml=5), 200.0, (184.0, 224.0)),
        (VolumeInterval(bias_percent=0, half_width_percent=1, floor_ml=5), 200.0, (195.0, 205.0)),
        (VolumeInterval(bias_percent=0, half_width_percent=1, floor_ml=50), 40.0, (0.0, 90.0)),
    ],
)
def test_the_interval_is_relative_with_a_floor(
    interval: VolumeInterval, volume_ml: float, expected: tuple[float, float]
) -> None:
    assert interval.around(volume_ml, QualityNumbers()) == pytest.approx(expected)


def test_a_manifest_carries_the_rules_it_is_served_with(tmp_path: Path) -> None:
    rules = PostprocessingSpec(threshold=0.4)
    folder = publish_threshold_model(tmp_path, postprocessing=rules)
    written = ModelManifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert written.postprocessing == rules
