"""Two real networks on grids of their own, served as a model, against the same steps written down once more."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from scipy import ndimage

from app.imaging.levels import LevelSpec
from app.imaging.preprocess import PreprocessingSpec, preprocess, resample_coarser
from app.imaging.regions import RegionSpec
from app.imaging.resample import resample
from app.imaging.volume import Float3, Index3, Volume, VolumeGeometry
from app.inference.manifest import StoredLevel
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from tests.helpers.makers import publish_threshold_model, sphere_ml, sphere_volume

ON_CPU = RuntimeSettings(provider="cpu", threads=1)
SPACING_MM, COARSE_MM, EXTENT_MM, DIVISOR, THRESHOLD = 1.6, 2.4, 128.0, 16, 0.4
BRIGHT = 2.0
"""In standard deviations above the mean."""
LARGE: Index3 = (96, 72, 80)
Float32 = NDArray[np.float32]


def brightness_network(level: int) -> bytes:
    """Finds what is bright, the more so the brighter all that it is given; level 2 averages that with its context."""
    dims: list[Any] = [1, 1, "I", "J", "K"]
    nodes = [
        helper.make_node("ReduceMean", ["volume"], ["mean"], keepdims=1),
        helper.make_node("Sub", ["volume", "bright"], ["over"]),
        helper.make_node("Mul", ["over", "bright"], ["steep"]),
        helper.make_node("Add", ["steep", "mean"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability" if level == 1 else "own"]),
    ]
    inputs = [helper.make_tensor_value_info("volume", TensorProto.FLOAT, dims)]
    if level > 1:
        inputs.append(helper.make_tensor_value_info("context", TensorProto.FLOAT, dims))
        nodes.append(helper.make_node("Mean", ["own", "context"], ["probability"]))
    output = helper.make_tensor_value_info("probability", TensorProto.FLOAT, dims)
    bright = helper.make_tensor("bright", TensorProto.FLOAT, [], [BRIGHT])
    graph = helper.make_graph(nodes, "brightness", inputs, [output], [bright])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    content: bytes = model.SerializeToString()
    return content


def brightness(image: Float32, context: Float32 | None = None) -> Float32:
    """What the networks compute."""
    own = 1 / (1 + np.exp(-(image - BRIGHT) * BRIGHT - image.mean()))
    return np.asarray(own if context is None else (own + context) / 2, np.float32)


def published(root: Path, *levels: LevelSpec) -> HeadSegmenter:
    """A model of brightness networks on these grids and regions; the served grid has voxels of 1.6 mm."""
    contents = [brightness_network(number) for number in range(1, len(levels) + 1)]
    stored = tuple(
        StoredLevel(
            file=f"brightness_{number}.onnx",
            sha256=hashlib.sha256(content).hexdigest(),
            size=len(content),
            grid_spacing_mm=level.grid_spacing_mm,
            region=level.region,
        )
        for number, (level, content) in enumerate(zip(levels, contents, strict=True), start=1)
    )
    rules = PreprocessingSpec(spacing_mm=SPACING_MM, shape_divisor=DIVISOR)
    folder = publish_threshold_model(root, levels=stored, preprocessing=rules)
    for level, content in zip(stored, contents, strict=True):
        (folder / level.file).write_bytes(content)
    return HeadSegmenter(ModelStore(root).resolve("fetal_head"), ON_CPU)


CUBE = LevelSpec(region=RegionSpec(extent_mm=EXTENT_MM, margin_mm=5.0, threshold=THRESHOLD))
WHOLE = LevelSpec(grid_spacing_mm=COARSE_MM)


def expected(image: Float32) -> tuple[Float32, Float32]:
    """Both levels, written down step by step: 2.4 mm on the whole volume, 128 mm of 1.6 mm around what that finds."""
    grid = VolumeGeometry.from_spacing(image.shape, (SPACING_MM,) * 3)
    seen = resample_coarser(Volume(image, grid), PreprocessingSpec(spacing_mm=COARSE_MM, shape_divisor=DIVISOR))
    first = resample(Volume(brightness(seen.data), seen.geometry), grid, antialias=False).data
    labels, count = ndimage.label(first >= THRESHOLD, np.ones((3, 3, 3)))
    head = labels == 1 + np.argmax(np.bincount(labels.ravel(), minlength=count + 1)[1:])
    size = round(EXTENT_MM / SPACING_MM)
    padded, around = (
        np.pad(values, size, constant_values=value) for values, value in ((image, image.min()), (first, 0.0))
    )
    box = tuple(
        slice(size + (used.start + used.stop - size + 1) // 2, size + (used.start + used.stop - size + 1) // 2 + size)
        for used in ndimage.find_objects(head.astype(int))[0]
    )
    around[box] = brightness(padded[box], around[box])
    inner = tuple(slice(size, size + n) for n in image.shape)
    return first, around[inner]


@pytest.mark.parametrize("off_centre_mm", [(3.0, -2.0, 4.0), (70.0, 20.0, -40.0), (-80.0, -60.0, 0.0)])
def test_a_level_on_its_own_grid_and_one_in_a_cube_around_the_head(tmp_path: Path, off_centre_mm: Float3) -> None:
    segmenter = published(tmp_path, WHOLE, CUBE)
    volume = sphere_volume(30.0, LARGE, off_centre_mm=off_centre_mm)
    found = segmenter.segment(volume)
    tensor = preprocess(volume, segmenter.manifest.preprocessing).tensor
    first, second = expected(tensor[0, 0])
    for ours, wanted in zip(found.level_probabilities, (first, second), strict=True):
        assert ours.shape == tensor.shape[2:]
        assert np.abs(ours - wanted).max() < 1e-4
    assert np.abs(first - second).max() > 0.1
    assert found.mask.any()


def test_its_head_is_measured(tmp_path: Path) -> None:
    found = published(tmp_path, WHOLE, CUBE).segment(sphere_volume(38.0, LARGE))
    assert found.head_volume_ml == pytest.approx(sphere_ml(38.0), rel=0.05)
    assert found.verdict != "reject"


def test_nothing_found_leaves_the_whole_volume_to_the_level_above(tmp_path: Path) -> None:
    never = LevelSpec(region=RegionSpec(extent_mm=EXTENT_MM, margin_mm=0, threshold=0.99999))
    cube = published(tmp_path / "cube", WHOLE, never)
    whole = published(tmp_path / "whole", WHOLE, LevelSpec())
    volume = sphere_volume(30.0, LARGE)
    tensor = preprocess(volume, cube.manifest.preprocessing).tensor
    one, other = (segmenter.probabilities(tensor) for segmenter in (cube, whole))
    np.testing.assert_array_equal(one, other)


def test_the_self_test_sees_every_voxel(tmp_path: Path) -> None:
    """The stored answer is the threshold networks': the same difference with and without a region."""
    differences = []
    for name, level in (("whole", LevelSpec()), ("cube", CUBE)):
        segmenter = published(tmp_path / name, WHOLE, level)
        limits = segmenter.manifest.selftest.model_copy(update={"tolerance": 1.0})
        segmenter.manifest = segmenter.manifest.model_copy(update={"selftest": limits})
        differences.append(segmenter.selftest())
    assert differences[0] == differences[1]


def test_a_level_may_see_a_box_that_the_level_before_makes_as_large_as_needed(tmp_path: Path) -> None:
    whole = published(tmp_path / "whole", LevelSpec(), LevelSpec())
    boxed = published(tmp_path / "boxed", LevelSpec(), LevelSpec(region=RegionSpec(margin_mm=16.0)))
    volume = sphere_volume(30.0, LARGE)
    one, other = whole.segment(volume), boxed.segment(volume)
    np.testing.assert_array_equal(one.level_probabilities[0], other.level_probabilities[0])
    assert 0.3 < (other.level_probabilities[1] == other.level_probabilities[0]).mean() < 1
    assert other.mask_volume_ml == pytest.approx(one.mask_volume_ml, rel=0.1)
