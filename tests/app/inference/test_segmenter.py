from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from scipy.spatial.transform import Rotation

from app.imaging.errors import NotMeasurable
from app.imaging.nifti.file import decode_nifti, encode_nifti
from app.imaging.preprocess import preprocess
from app.imaging.quality import Limit, QualitySpec
from app.imaging.volume import Bool3, Index3, Volume, VolumeGeometry
from app.inference.errors import DamagedModel, SelfTestFailed
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from app.inference.volume_interval import VolumeInterval, WidthByCase, WidthFactor
from tests.helpers.geometries import SIGNED_PERMUTATIONS
from tests.helpers.makers import (
    NiftiOptions,
    publish_threshold_model,
    sphere_ml,
    sphere_volume,
    threshold_network,
    volume_bytes,
)

STAGES = ["preprocess", "context_level_1", "context_level_2", "restore"]
ON_CPU = RuntimeSettings(provider="cpu", threads=1)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    store: Path = tmp_path_factory.mktemp("store")
    publish_threshold_model(store)
    return store


@pytest.fixture(scope="module")
def segmenter(root: Path) -> HeadSegmenter:
    return HeadSegmenter(ModelStore(root).resolve("fetal_head"), ON_CPU)


@pytest.mark.parametrize("radius_mm", [26.0, 31.0, 38.4])
@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_sphere_of_known_volume_is_measured(root: Path, radius_mm: float, provider: Any) -> None:
    segmenter = HeadSegmenter(ModelStore(root).resolve("fetal_head"), RuntimeSettings(provider, 1))
    upload = decode_nifti(volume_bytes(sphere_volume(radius_mm, (90, 86, 80), (1.1, 1.2, 1.3))))
    found = segmenter.segment(upload.volume)
    assert found.head_volume_ml == pytest.approx(sphere_ml(radius_mm), rel=0.01)
    assert found.head_volume_ml == found.mask_volume_ml
    assert found.head_volume_interval_ml is not None
    assert found.head_volume_interval_ml[0] < sphere_ml(radius_mm) < found.head_volume_interval_ml[1]
    assert (found.verdict, found.flags) == ("ok", ())
    assert found.quality.components == 1
    assert found.biometry is not None
    assert found.biometry.head_circumference_mm == pytest.approx(2 * np.pi * radius_mm, rel=0.02)
    written = decode_nifti(encode_nifti(found.mask, upload.header)).volume
    np.testing.assert_array_equal(written.data, found.mask)


@pytest.mark.parametrize(("permutation", "flips"), SIGNED_PERMUTATIONS)
def test_any_orientation_type_and_pose_measures_the_same(
    segmenter: HeadSegmenter, permutation: Index3, flips: Bool3
) -> None:
    plain = sphere_volume(28.0, (44, 40, 36), (1.7, 1.9, 2.1))
    expected = segmenter.segment(plain).mask_volume_ml
    turned = plain.reorient(permutation, flips)
    number = sum(flips) + permutation[0]
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_euler("xyz", [11 * number, 40, 70], degrees=True).as_matrix()
    kinds = ["u1", "i2", "f4", "f8", "u2", "i4"]
    stored = Volume(turned.data.astype(kinds[number]), VolumeGeometry(turned.data.shape, pose @ turned.geometry.affine))
    options = NiftiOptions(endianness=">" if number % 2 else "<", compress=number % 3 == 0)
    found = segmenter.segment(decode_nifti(volume_bytes(stored, options)).volume)
    assert found.mask_volume_ml == pytest.approx(expected, rel=1e-5)


def test_the_networks_input_is_what_training_sees(segmenter: HeadSegmenter) -> None:
    volume = sphere_volume()
    found = segmenter.segment(volume)
    seen_in_training = preprocess(volume, segmenter.manifest.preprocessing)
    np.testing.assert_array_equal(found.preprocessed.tensor, seen_in_training.tensor)
    assert found.level_probabilities[0].shape == seen_in_training.geometry.shape


def test_the_same_volume_is_always_measured_alike(segmenter: HeadSegmenter) -> None:
    one, other = segmenter.segment(sphere_volume()), segmenter.segment(sphere_volume())
    np.testing.assert_array_equal(one.mask, other.mask)
    assert one.quality == other.quality


def test_stages_are_announced_and_timed(segmenter: HeadSegmenter) -> None:
    heard: list[str] = []
    found = segmenter.segment(sphere_volume(), on_stage=heard.append)
    assert heard == STAGES
    assert list(found.timings_s) == [*STAGES, "total"]
    assert sum(found.timings_s[stage] for stage in STAGES) <= found.timings_s["total"]


def test_a_model_that_too_few_cases_validated_gives_a_number_without_an_interval(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path, volume_interval=None)
    found = HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), ON_CPU).segment(sphere_volume())
    assert found.verdict == "ok"
    assert found.head_volume_ml == pytest.approx(sphere_ml(), rel=0.01)
    assert found.head_volume_interval_ml is None


def test_a_model_with_an_interval_for_each_case_widens_it_with_the_doubt_and_flags_it(tmp_path: Path) -> None:
    numbers = HeadSegmenter(ModelStore(_published(tmp_path / "plain")).resolve("fetal_head"), ON_CPU)
    entropy = numbers.segment(sphere_volume()).quality.foreground_entropy
    assert entropy is not None
    factor = WidthFactor(number="foreground_entropy", typical=entropy / 4, least=0.001, exponent=0.5)
    by_case = WidthByCase(factors=(factor,), cases=77, data="simulated")
    interval = VolumeInterval(half_width_percent=10.0, by_case=by_case)
    for limit, codes in ((21.0, []), (19.0, ["wide_interval"])):
        rules = {"volume_interval": interval, "quality": QualitySpec(half_width_percent=Limit(review=limit))}
        store = ModelStore(_published(tmp_path / str(limit), **rules))
        found = HeadSegmenter(store.resolve("fetal_head"), ON_CPU).segment(sphere_volume())
        assert [flag.code for flag in found.flags] == codes
        assert found.head_volume_ml is not None
        ends = (0.8 * found.head_volume_ml, 1.2 * found.head_volume_ml)
        assert found.head_volume_interval_ml == pytest.approx(ends, rel=1e-6)


def _published(root: Path, **rules: Any) -> Path:
    publish_threshold_model(root, **rules)
    return root


def test_a_rejected_head_has_a_mask_but_no_number(segmenter: HeadSegmenter) -> None:
    found = segmenter.segment(sphere_volume(18.0))
    assert found.verdict == "reject"
    assert [flag.code for flag in found.flags] == ["implausible_volume"]
    assert found.head_volume_ml is None
    assert found.head_volume_interval_ml is None
    assert found.biometry is None
    assert found.mask.any()
    assert found.mask_volume_ml == pytest.approx(sphere_ml(18.0), rel=0.06)


def test_a_head_cut_by_the_field_of_view_is_flagged(segmenter: HeadSegmenter) -> None:
    grazing = segmenter.segment(sphere_volume(38.4, off_centre_mm=(0.0, 17.0, 0.0)))
    assert grazing.verdict == "review"
    assert "truncated" in [flag.code for flag in grazing.flags]
    halved = segmenter.segment(sphere_volume(38.4, off_centre_mm=(0.0, 48.0, 0.0)))
    assert "truncated" in [flag.code for flag in halved.flags]
    assert halved.quality.fov_contact_fraction is not None
    assert grazing.quality.fov_contact_fraction is not None
    assert halved.quality.fov_contact_fraction > grazing.quality.fov_contact_fraction


def test_the_gestational_age_is_compared_with_the_size(segmenter: HeadSegmenter) -> None:
    assert segmenter.segment(sphere_volume(), 25.0).verdict == "ok"
    contradicted = segmenter.segment(sphere_volume(), 31.0)
    assert [flag.code for flag in contradicted.flags] == ["size_contradicts_age"]


def test_no_head_is_no_number(tmp_path: Path) -> None:
    folder = publish_threshold_model(tmp_path)
    replace_levels(folder, never_network())
    found = HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), ON_CPU).segment(sphere_volume())
    assert (found.verdict, [flag.code for flag in found.flags]) == ("reject", ["no_head_found"])
    assert found.head_volume_ml is None
    assert not found.mask.any()


def test_a_constant_volume_is_refused(segmenter: HeadSegmenter) -> None:
    flat = sphere_volume()
    with pytest.raises(NotMeasurable):
        segmenter.segment(Volume(np.ones_like(flat.data), flat.geometry))


def test_the_selftest_compares_with_the_stored_answer(segmenter: HeadSegmenter) -> None:
    assert segmenter.selftest() <= segmenter.manifest.selftest.tolerance


def test_the_selftest_fails_for_another_answer(tmp_path: Path) -> None:
    folder = publish_threshold_model(tmp_path)
    replace_levels(folder, never_network())
    with pytest.raises(SelfTestFailed) as caught:
        HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), ON_CPU).selftest()
    assert caught.value.code == "selftest_failed"


def test_a_selftest_file_that_is_none_is_refused(tmp_path: Path) -> None:
    folder = publish_threshold_model(tmp_path)
    replace_file(folder, "selftest.npz", b"rubbish")
    with pytest.raises(DamagedModel) as caught:
        HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), ON_CPU).selftest()
    assert caught.value.code == "bad_selftest"


def test_the_runtime_is_named(segmenter: HeadSegmenter) -> None:
    assert segmenter.provider == "CPUExecutionProvider"
    assert segmenter.precision == "fp32"


def never_network() -> dict[str, bytes]:
    """Two levels that find nothing: the threshold networks' probability times 0."""
    networks = {}
    for level in (1, 2):
        model = onnx.load_from_string(threshold_network(level))
        model.graph.node[-1].output[0] = "before"
        model.graph.node.append(onnx.helper.make_node("Mul", ["before", "zero"], ["probability"]))
        networks[f"context_level_{level}.onnx"] = model.SerializeToString()
    return networks


def replace_levels(folder: Path, networks: dict[str, bytes]) -> None:
    for name, content in networks.items():
        replace_file(folder, name, content)


def replace_file(folder: Path, name: str, content: bytes) -> None:
    """Replace a file of a published version and its hash."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / "manifest.json").read_text())
    for part in (*manifest["levels"], manifest["selftest"]):
        if part["file"] == name:
            part["sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_networks_that_give_their_memory_back_measure_the_same(root: Path) -> None:
    model = ModelStore(root).resolve("fetal_head")
    keeping = HeadSegmenter(model, RuntimeSettings(provider="cpu", threads=1, kept_mb=100_000))
    sparing = HeadSegmenter(model, RuntimeSettings(provider="cpu", threads=1, kept_mb=0))
    for _ in range(2):
        one, other = (segmenter.segment(sphere_volume()) for segmenter in (keeping, sparing))
        np.testing.assert_array_equal(one.mask, other.mask)
        np.testing.assert_array_equal(one.level_probabilities, other.level_probabilities)
        sparing.rest()
