import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.golden import Golden
from tests.helpers.makers import publish_threshold_model
from training.cli import main as cli
from training.evaluation.probes.surface_error import (
    EDGE,
    OTHERS,
    Pieces,
    ScanErrors,
    format_table,
    measure_pieces,
    summarise,
)
from training.phantom import Phantom, PhantomRecord
from training.phantom.tissues import Tissue

SPACING_MM = 1.3
SHAPE = (62, 62, 62)
MIDDLE = SPACING_MM * 61 / 2
RADIUS = 25.0


def along() -> NDArray[np.float64]:
    """Each voxel's place along the first axis, mm from the middle."""
    axis = np.arange(62) * SPACING_MM - MIDDLE
    return axis[:, None, None] + np.zeros(SHAPE)


def radius(shift_mm: float = 0) -> NDArray[np.float64]:
    """Each voxel's distance from the middle, mm."""
    axis = np.arange(62) * SPACING_MM - MIDDLE
    x, y, z = np.meshgrid(axis - shift_mm, axis, axis, indexing="ij")
    distance: NDArray[np.float64] = np.sqrt(x**2 + y**2 + z**2)
    return distance


def phantom_of(image: NDArray[Any], tissues: NDArray[Any], truth: NDArray[Any] | None = None) -> Phantom:
    """A sphere as the truth, in an image and among tissues of one's choice."""
    record = PhantomRecord(
        seed=5,
        gestational_age_weeks=25,
        family="sphere",
        look="plain",
        spacing_mm=SPACING_MM,
        true_volume_ml=65,
        head_in_view=1,
        truncated=False,
        touches=False,
    )
    geometry = VolumeGeometry(SHAPE, np.diag([SPACING_MM] * 3 + [1.0]))
    head = radius() < RADIUS if truth is None else truth
    volume, head_volume, tissue_volume = (Volume(data.astype(np.uint8), geometry) for data in (image, head, tissues))
    return Phantom(volume, head_volume, tissue_volume, record)


def speckle(level: Any) -> NDArray[np.float64]:
    """An image of this mean with weak speckle, above 0."""
    noise = np.random.default_rng(1).normal(0, 3, SHAPE)
    image: NDArray[np.float64] = np.clip(level + noise, 1, 255)
    return image


def found(phantom: Phantom, mask: NDArray[Any]) -> ScanErrors:
    return ScanErrors(phantom.record.seed, measure_pieces(phantom, mask))


def plain() -> Phantom:
    return phantom_of(speckle(80), np.full(SHAPE, Tissue.FLUID))


def test_a_perfect_outline_has_no_error() -> None:
    phantom = plain()
    told = summarise([found(phantom, phantom.truth.data)])
    assert told.everywhere is not None
    assert told.everywhere.mean_absolute_mm == pytest.approx(0, abs=1e-6)
    assert told.cases[0].sd_mm == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("grown", [-2.0, 2.0])
def test_a_grown_outline_is_off_as_a_whole(grown: float) -> None:
    told = summarise([found(plain(), radius() < RADIUS + grown)])
    (case,) = told.cases
    assert case.offset_mm == pytest.approx(grown, abs=0.1)
    assert case.sd_mm < 0.3
    assert told.everywhere is not None
    assert told.everywhere.mean_mm == pytest.approx(grown, abs=0.1)
    assert told.everywhere.median_absolute_mm == pytest.approx(2, abs=0.15)


def test_a_shifted_outline_is_not_off_as_a_whole() -> None:
    (case,) = summarise([found(plain(), radius(shift_mm=2) < RADIUS)]).cases
    assert case.offset_mm == pytest.approx(0, abs=0.1)
    assert case.sd_mm == pytest.approx(2 / np.sqrt(3), abs=0.1)
    assert case.mean_absolute_mm == pytest.approx(1, abs=0.1)


def test_errors_lie_with_the_tissue_outside() -> None:
    tissues = np.where(along() > 0, Tissue.NECK, Tissue.FLUID)
    tissues[radius() < RADIUS] = Tissue.BRAIN
    mask = radius() < np.where(along() > 0, RADIUS + 3, RADIUS)
    parts = summarise([found(phantom_of(speckle(80), tissues), mask)]).by_tissue
    assert list(parts) == ["fluid", "neck"]
    assert parts["neck"].share == pytest.approx(0.5, abs=0.03)
    assert parts["neck"].mean_mm == pytest.approx(3, abs=0.2)
    assert parts["fluid"].mean_absolute_mm < 0.2
    assert parts["neck"].share_of_error > 0.9
    assert sum(part.share for part in parts.values()) == pytest.approx(1)
    assert sum(part.share_of_error for part in parts.values()) == pytest.approx(1)


def test_rare_tissues_are_counted_together() -> None:
    tissues = np.full(SHAPE, Tissue.FLUID)
    tissues[51:, :31, :31] = Tissue.CORD
    tissues[:11, :31, :31] = Tissue.LIMB
    phantom = phantom_of(speckle(80), tissues)
    assert list(summarise([found(phantom, phantom.truth.data)]).by_tissue) == ["fluid", OTHERS]


def test_errors_lie_where_the_image_shows_nothing() -> None:
    line = (np.abs(radius() - RADIUS + 1.5) < 1.5) & (along() > 0)
    phantom = phantom_of(speckle(np.where(line, 200, 60)), np.full(SHAPE, Tissue.FLUID))
    mask = radius() < np.where(along() > 0, RADIUS, RADIUS - 3)
    parts = summarise([found(phantom, mask)]).by_contrast
    assert parts["1.3 and more"].share == pytest.approx(0.5, abs=0.05)
    assert parts["1.3 and more"].mean_absolute_mm < 0.3
    shown_nothing = [parts[name] for name in ("below 0", "0 to 0.4")]
    assert sum(part.share for part in shown_nothing) == pytest.approx(0.5, abs=0.05)
    assert all(part.mean_mm == pytest.approx(-3, abs=0.3) for part in shown_nothing)


def test_a_bright_surrounding_gives_a_contrast_below_nothing() -> None:
    image = speckle(np.where(radius() < RADIUS, 40, 120))
    parts = summarise([found(phantom_of(image, np.full(SHAPE, Tissue.UTERUS)), radius() < RADIUS)]).by_contrast
    assert parts["below 0"].share > 0.99


def test_where_nothing_was_recorded_outside_is_the_edge_of_the_field_of_view() -> None:
    cut = along() > 12
    image = np.where(cut, 0, speckle(80))
    phantom = phantom_of(image, np.full(SHAPE, Tissue.FLUID), (radius() < RADIUS) & ~cut)
    told = summarise([found(phantom, radius() < RADIUS)])
    lid = np.pi * (RADIUS**2 - 12**2)
    cap = 2 * np.pi * RADIUS * (RADIUS - 12)
    expected = lid / (4 * np.pi * RADIUS**2 - cap + lid)
    for parts in (told.by_tissue, told.by_contrast):
        assert list(parts)[-1] == EDGE
        assert parts[EDGE].share == pytest.approx(expected, abs=0.04)
        assert parts[EDGE].mean_mm > 5
        assert sum(part.share for part in parts.values()) == pytest.approx(1)


def test_a_hole_in_the_picture_is_no_edge() -> None:
    image = np.where((np.abs(along() - RADIUS - 2) < 2) & (radius() < RADIUS + 5), 0, speckle(80))
    phantom = phantom_of(image, np.full(SHAPE, Tissue.FLUID))
    assert EDGE not in summarise([found(phantom, phantom.truth.data)]).by_tissue


def test_a_head_at_the_arrays_border_ends_at_the_edge() -> None:
    phantom = phantom_of(speckle(80), np.full(SHAPE, Tissue.FLUID), along() > MIDDLE - 20)
    parts = summarise([found(phantom, phantom.truth.data)]).by_tissue
    assert parts[EDGE].share > 0.5
    assert parts["fluid"].share > 0.2


def test_scans_without_a_head_are_left_out() -> None:
    nothing = np.zeros(SHAPE, np.uint8)
    without = phantom_of(speckle(80), nothing, nothing)
    assert measure_pieces(plain(), nothing) is None
    assert measure_pieces(without, np.ones(SHAPE, np.uint8)) is None
    told = summarise([found(plain(), radius() < RADIUS + 2), ScanErrors(6, None)])
    assert told.left_out == 1
    assert len(told.cases) == 1
    empty = summarise([ScanErrors(6, None)])
    assert empty.everywhere is None
    assert "in 1 scans" in format_table(empty)


def test_pieces_count_by_their_area_and_scans_alike(golden: Golden) -> None:
    errors, areas = np.array([1.0, -3.0, 5.0]), np.array([2.0, 1.0, 1.0])
    fluid, seen = np.full(3, Tissue.FLUID, np.uint8), np.zeros(3, np.bool_)
    first = Pieces(errors, areas, fluid, np.array([0.1, 0.1, 2.0]), seen)
    second = Pieces(np.full(3, -2.0), areas, fluid, np.full(3, 2.0), seen)
    told = summarise([ScanErrors(1, first), ScanErrors(2, second)])
    assert told.everywhere is not None
    assert told.everywhere.mean_absolute_mm == pytest.approx((2 + 3 + 5 + 8) / 8)
    assert told.everywhere.mean_mm == pytest.approx((2 - 3 + 5 - 8) / 8)
    assert told.everywhere.median_absolute_mm == pytest.approx(2)
    assert told.by_contrast["0 to 0.4"].share_of_error == pytest.approx(5 / 18)
    assert told.cases[0].offset_mm == pytest.approx(1)
    assert told.cases[0].sd_mm == pytest.approx(np.sqrt((0 + 16 + 16) / 4))
    golden(format_table(told), "surface_error.md")


def test_the_command_tells_where_a_models_outline_errs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publish_threshold_model(tmp_path)
    scans = tmp_path / "scans"
    arguments = ["surface", "--store", str(tmp_path), "--cases", "2", "--spacing", "6", "--phantoms", str(scans)]
    assert cli.main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [case["seed"] for case in told["cases"]] == [1_000_000, 1_000_001]
    for parts in (told["by_tissue"], told["by_contrast"]):
        assert sum(part["share"] for part in parts.values()) == pytest.approx(1)
        assert sum(part["share_of_error"] for part in parts.values()) == pytest.approx(1)
    assert len(list(scans.glob("*.npz"))) == 2
    assert cli.main(arguments) == 0
    assert f"| everywhere | 100.0 | {told['everywhere']['mean_absolute_mm']:.2f} |" in capsys.readouterr().out
