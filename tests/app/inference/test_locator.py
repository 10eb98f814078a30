"""Level 1 in the box that a cheap network found: the same answer as on the whole volume, whatever it finds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from app.imaging.errors import NotMeasurable
from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.volume import Float3, Index3, Volume
from app.inference.errors import DamagedModel
from app.inference.manifest import ContextLevel, Locator, ModelManifest
from app.inference.model_store import ModelStore
from app.inference.segmenter import HeadSegmenter, Segmentation
from app.inference.session import RuntimeSettings
from tests.makers import publish_threshold_model, sphere_volume

ON_CPU = RuntimeSettings(provider="cpu", threads=1)
GAIN = 4.0
DIM, NOTHING = 0.0, 100.0
"""Normalised values above which a network finds something: all that is brighter than the mean, and nothing."""
BRIGHT = 3.0
LARGE: Index3 = (96, 72, 80)


def brightness_network(level: int, above: float) -> bytes:
    """An ONNX network that finds what is brighter than a value, wherever it looks; level 2 averages with level 1."""
    dims: list[Any] = [1, 1, "I", "J", "K"]
    nodes = [
        helper.make_node("Sub", ["volume", "above"], ["over"]),
        helper.make_node("Mul", ["over", "gain"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability" if level == 1 else "own"]),
    ]
    inputs = [helper.make_tensor_value_info("volume", TensorProto.FLOAT, dims)]
    if level > 1:
        inputs.append(helper.make_tensor_value_info("context", TensorProto.FLOAT, dims))
        nodes.append(helper.make_node("Mean", ["own", "context"], ["probability"]))
    output = helper.make_tensor_value_info("probability", TensorProto.FLOAT, dims)
    values = [
        helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in (("above", above), ("gain", GAIN))
    ]
    graph = helper.make_graph(nodes, "brightness", inputs, [output], values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def stored(content: bytes, name: str) -> ContextLevel:
    return ContextLevel(file=name, sha256=hashlib.sha256(content).hexdigest(), size=len(content))


def publish(root: Path, located_above: float | None, spacing_mm: float = 4.0, margin_mm: float = 8.0) -> HeadSegmenter:
    """A model of two brightness networks, with a locator that finds what is brighter than a value."""
    levels = {f"context_level_{level}.onnx": brightness_network(level, DIM) for level in (1, 2)}
    rules: dict[str, Any] = {"levels": tuple(stored(content, name) for name, content in levels.items())}
    if located_above is not None:
        levels["locator.onnx"] = brightness_network(1, located_above)
        rules["locator"] = Locator(
            network=stored(levels["locator.onnx"], "locator.onnx"),
            origin="brightness 1",
            preprocessing=PreprocessingSpec(spacing_mm=spacing_mm),
            threshold=0.5,
            margin_mm=margin_mm,
            cases=1,
            dsc_loss=0,
        )
    folder = publish_threshold_model(root, **rules)
    for name, content in levels.items():
        (folder / name).write_bytes(content)
    return HeadSegmenter(ModelStore(root).resolve("fetal_head"), ON_CPU)


def both(tmp_path: Path, volume: Volume, located_above: float = DIM) -> tuple[Segmentation, Segmentation]:
    """What is measured of the whole volume, and with the locator."""
    whole = publish(tmp_path / "whole", None)
    located = publish(tmp_path / "located", located_above)
    return whole.segment(volume), located.segment(volume)


def looked_at(found: Segmentation, whole: Segmentation) -> float:
    """The share of the grid on which level 1 said exactly what it says of the whole volume."""
    return float((found.level_probabilities[0] == whole.level_probabilities[0]).mean())


@pytest.mark.parametrize("off_centre_mm", [(3.0, -2.0, 4.0), (62.0, 0.0, 0.0), (-62.0, 36.0, -50.0)])
def test_a_located_head_is_measured_as_on_the_whole_volume(tmp_path: Path, off_centre_mm: Float3) -> None:
    volume = sphere_volume(30.0, LARGE, off_centre_mm=off_centre_mm)
    whole, located = both(tmp_path, volume)
    assert whole.mask.any()
    np.testing.assert_array_equal(located.mask, whole.mask)
    assert looked_at(located, whole) < 0.7
    assert located.quality.outside_mass_fraction == pytest.approx(whole.quality.outside_mass_fraction, abs=0.02)
    assert located.quality.fov_contact_fraction == whole.quality.fov_contact_fraction


def test_a_second_piece_far_from_the_box_is_still_counted(tmp_path: Path) -> None:
    one = sphere_volume(30.0, LARGE, off_centre_mm=(-50.0, -20.0, 0.0))
    other = sphere_volume(18.0, LARGE, off_centre_mm=(60.0, 30.0, 30.0))
    whole, located = both(tmp_path, Volume(np.maximum(one.data, other.data), one.geometry))
    np.testing.assert_array_equal(located.mask, whole.mask)
    assert looked_at(located, whole) < 0.7
    assert (located.quality.components, whole.quality.components) == (2, 2)
    assert whole.quality.outside_mass_fraction is not None
    assert whole.quality.outside_mass_fraction > 0.1
    assert located.quality.outside_mass_fraction == pytest.approx(whole.quality.outside_mass_fraction, abs=0.02)


def test_a_locator_that_finds_nothing_leaves_the_whole_volume(tmp_path: Path) -> None:
    whole, located = both(tmp_path, sphere_volume(30.0, LARGE), NOTHING)
    np.testing.assert_array_equal(located.level_probabilities, whole.level_probabilities)


def test_a_box_that_cuts_the_head_is_given_up_for_the_whole_volume(tmp_path: Path) -> None:
    volume = sphere_volume(38.4, LARGE)
    dim = np.array(volume.data)
    dim[: LARGE[0] // 2] = np.minimum(dim[: LARGE[0] // 2], 110)
    whole, located = both(tmp_path, Volume(dim, volume.geometry), located_above=BRIGHT)
    np.testing.assert_array_equal(located.level_probabilities, whole.level_probabilities)
    np.testing.assert_array_equal(located.mask, whole.mask)


def test_a_volume_of_which_the_coarse_grid_leaves_nothing_is_looked_at_as_a_whole(tmp_path: Path) -> None:
    volume = sphere_volume(3.0, (8, 8, 8), off_centre_mm=(0.0, 0.0, 0.0))
    whole = publish(tmp_path / "whole", None).segment(volume)
    located = publish(tmp_path / "located", DIM, spacing_mm=6.0).segment(volume)
    np.testing.assert_array_equal(located.mask, whole.mask)


def test_an_empty_volume_is_refused_as_before(tmp_path: Path) -> None:
    flat = sphere_volume()
    with pytest.raises(NotMeasurable):
        publish(tmp_path, DIM).segment(Volume(np.ones_like(flat.data), flat.geometry))


def test_the_selftest_looks_at_every_voxel(tmp_path: Path) -> None:
    """The stored answer is the threshold networks'; the same difference with and without a locator."""
    differences = []
    for name, above in (("whole", None), ("located", DIM)):
        segmenter = publish(tmp_path / name, above)
        limits = segmenter.manifest.selftest.model_copy(update={"tolerance": 1.0})
        segmenter.manifest = segmenter.manifest.model_copy(update={"selftest": limits})
        differences.append(segmenter.selftest())
    assert differences[0] == differences[1]


def test_the_locator_is_vouched_for_by_its_hash(tmp_path: Path) -> None:
    publish(tmp_path, DIM)
    folder = tmp_path / "fetal_head" / "1"
    manifest = ModelManifest.model_validate_json((folder / "manifest.json").read_bytes())
    assert "locator.onnx" in manifest.file_hashes
    (folder / "locator.onnx").write_bytes(brightness_network(1, NOTHING))
    with pytest.raises(DamagedModel) as caught:
        ModelStore(tmp_path).resolve("fetal_head")
    assert caught.value.code == "hash_mismatch"


def test_the_locators_grid_is_the_volume_prepared_anew(tmp_path: Path) -> None:
    segmenter = publish(tmp_path, DIM)
    locator = segmenter._locator
    assert locator is not None
    prepared = preprocess(sphere_volume(30.0, LARGE), segmenter.manifest.preprocessing)
    look = locator.look(prepared.tensor)
    assert look.around.shape == prepared.geometry.shape
    assert all((side.stop - side.start) % 8 == 0 for side in look.box)
    inside = np.zeros(prepared.geometry.shape, bool)
    inside[look.box] = True
    assert not (look.around[~inside] > 0.5).any()
