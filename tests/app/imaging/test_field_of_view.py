"""The same echoes give the same input, whatever stands outside the fan and whichever voxel went astray."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from app.contract.findings import Flag
from app.contract.upload import DARK_ECHOES, Upload, VolumeFields
from app.imaging.errors import NotMeasurable
from app.imaging.field_of_view import clean_values, fill_pockets, find_echo_range
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.file import VolumeFile
from app.imaging.nifti.file import encode_volume
from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.volume import Volume, VolumeGeometry
from app.measuring.measure import decode
from training.phantom import SimulationRequest, simulate

SPEC = PreprocessingSpec(spacing_mm=3.2, shape_divisor=16)
LOOKS = ("fundamental", "compound", "contrast", "grainy")
Disguise = Callable[[NDArray[np.uint8]], NDArray[np.generic]]


@pytest.fixture(scope="module", params=LOOKS)
def scan(request: pytest.FixtureRequest) -> Volume:
    return simulate(SimulationRequest(seed=1_000_300, spacing=2.5, look=request.param)).volume


def outside(value: int) -> Disguise:
    return lambda data: np.where(data == 0, value, data.astype(np.int32)).astype(np.int32)


def stray(value: int, count: int = 1) -> Disguise:
    def changed(data: NDArray[np.uint8]) -> NDArray[np.generic]:
        other = data.astype(np.int32)
        i, j, k = (n // 2 for n in data.shape)
        other[i, j, k : k + count] = value
        return other

    return changed


def scaled(factor: float, offset: float) -> Disguise:
    return lambda data: data.astype(np.float32) * np.float32(factor) + np.float32(offset)


def thirds(*values: int) -> Disguise:
    """Different values outside the fan, one in each third of the box."""

    def changed(data: NDArray[np.uint8]) -> NDArray[np.generic]:
        places = np.minimum(np.arange(data.shape[2]) * 3 // data.shape[2], 2)
        return np.where(data == 0, np.asarray(values)[places], data.astype(np.int32))

    return changed


EXACT = {
    "outside -1024": outside(-1024),
    "outside -9999": outside(-9999),
    "outside 4095": outside(4095),
    "outside 32767": outside(32767),
    "scaled": scaled(7.5, 0),
    "with an offset": scaled(1, 900),
    "a negative range": scaled(2, -400),
}
MIXED = {
    "a third -1024, a third 4095": thirds(-1024, 4095, 0),
    "a third -1024, a third -3024": thirds(-1024, 0, -3024),
    "thirds 4095 and 32767": thirds(4095, 32767, 4095),
}
NEARLY = {
    "one voxel of 600": stray(600),
    "one voxel of 32767": stray(32767),
    "one voxel of -20000": stray(-20000),
    "three voxels of 32767": stray(32767, 3),
    "outside within the range": outside(57),
}


@pytest.mark.parametrize("name", EXACT)
def test_values_outside_scale_and_offset_change_nothing(scan: Volume, name: str) -> None:
    plain, other = (preprocess(volume, SPEC) for volume in (scan, Volume(EXACT[name](scan.data), scan.geometry)))
    np.testing.assert_array_equal(other.field_of_view, plain.field_of_view)
    assert np.abs(other.tensor - plain.tensor).max() < 0.3
    assert np.abs(other.tensor - plain.tensor).mean() < 0.02


@pytest.mark.parametrize("name", MIXED)
def test_several_values_outside_change_nothing(scan: Volume, name: str) -> None:
    other = clean_values(Volume(MIXED[name](scan.data), scan.geometry))
    np.testing.assert_array_equal(other.data, clean_values(scan).data)
    assert list_doubts(read(Volume(MIXED[name](scan.data).astype(np.int16), scan.geometry))) == []


def test_a_second_value_outside_that_echoes_have_is_a_doubt(scan: Volume) -> None:
    file = read(Volume(thirds(0, 0, 200)(scan.data).astype(np.int16), scan.geometry))
    assert [(flag.code, "200" in flag.detail) for flag in list_doubts(file)] == [("fill_ambiguous", True)]


@pytest.mark.parametrize("value", [-1024, -3024, 4095, 32767])
@pytest.mark.parametrize("size", [2, 3])
def test_averages_across_the_edge_of_the_fan_are_a_doubt(scan: Volume, value: int, size: int) -> None:
    plain, other = (
        Volume(uniform_filter(data.astype(np.float32), size), scan.geometry)
        for data in (scan.data, outside(value)(scan.data))
    )
    file = read(other)
    assert file.verdict == "review"
    assert "foreign_values" in [flag.code for flag in file.flags]
    assert list_doubts(read(plain)) == []


def test_averages_with_a_bright_value_near_the_echoes_are_a_doubt(scan: Volume) -> None:
    for data in (scan.data, scan.data // 2):
        mixed = uniform_filter(outside(255)(data).astype(np.float32), 3)
        assert read(Volume(mixed, scan.geometry)).verdict == "review"


def strokes(value: int, count: int) -> Disguise:
    """Strokes one voxel wide, as of text, all over the box."""

    def changed(data: NDArray[np.uint8]) -> NDArray[np.generic]:
        other, rng = data.astype(np.int16), np.random.default_rng(count)
        for i, j, k in rng.integers(0, data.shape, (count, 3)):
            other[i, j, k : k + 12] = value
        return other

    return changed


@pytest.mark.parametrize("value", [400, 600, 4095, -1024])
def test_text_is_replaced_from_around_it(scan: Volume, value: int) -> None:
    marked = strokes(value, 30)(scan.data)
    cleaned = clean_values(Volume(marked, scan.geometry)).data
    is_text = marked == value
    assert is_text.mean() < 0.005
    np.testing.assert_array_equal(cleaned[~is_text], scan.data[~is_text])
    assert cleaned[is_text].min() >= 0
    assert np.abs(cleaned[is_text].astype(float) - scan.data[is_text]).mean() < 40
    assert cleaned[is_text & (uniform_filter((scan.data == 0).astype(float), 3) > 0.999)].sum() == 0
    assert list_doubts(read(Volume(marked, scan.geometry))) == []


def test_the_few_bright_echoes_of_a_dark_scan_are_no_marks() -> None:
    data = np.random.default_rng(4).integers(0, 2, (60, 50, 40)).astype(np.uint8)
    data[20:30, 20:30, 10:30] = np.random.default_rng(5).integers(2, 200, (10, 10, 20))
    echoes = find_echo_range(data)
    assert echoes.top > 150
    assert list_doubts(read(Volume(data, VolumeGeometry.from_spacing(data.shape, (1.5, 1.5, 1.5))))) == []


def test_much_text_is_a_doubt(scan: Volume) -> None:
    file = read(Volume(strokes(600, 400)(scan.data), scan.geometry))
    assert [flag.code for flag in list_doubts(file)] == ["foreign_values"]


def through_all_slices(data: NDArray[np.uint8]) -> NDArray[np.generic]:
    """Crosses and a frame of the brightest value, as of callipers, in every slice."""
    other, (i, k) = data.copy(), (data.shape[0] // 2, data.shape[2] // 2)
    for at in (-12, 0, 12):
        other[i + at - 3 : i + at + 4, :, k] = 255
        other[i + at, :, k - 3 : k + 4] = 255
    other[[i - 15, i + 15], :, k - 15 : k + 16] = 255
    return other


@pytest.mark.parametrize("mark", [through_all_slices, strokes(255, 120)])
def test_marks_of_the_brightest_value_are_a_doubt(scan: Volume, mark: Disguise) -> None:
    file = read(Volume(mark(scan.data).astype(np.uint8), scan.geometry))
    assert [flag.code for flag in list_doubts(file)] == ["foreign_values"]
    assert file.verdict == "review"
    assert list_doubts(read(scan)) == []


def test_a_saturated_near_field_is_no_value_outside_the_fan() -> None:
    """The brightest value on a wide part of a face that fades into the echoes, as it does in finely sampled scans."""
    rng = np.random.default_rng(3)
    speckle = uniform_filter(rng.gamma(2, 40, (80, 60, 80)), 3)
    speckle[:, :20] += np.linspace(600, 0, 20)[None, :, None]
    data = np.rint(speckle).clip(1, 255).astype(np.uint8)
    data[:, 40:] = 0
    assert find_echo_range(data).fills == (0,)
    beyond = data.copy()
    beyond[:40, 40:] = 255
    assert 255 in find_echo_range(beyond).fills


@pytest.mark.parametrize(("share", "lift", "noted"), [(0.05, 0, False), (0.3, 0, True), (0.3, 30, False)])
def test_dark_tissues_of_one_grey_level_next_to_black_are_noted(share: float, lift: int, noted: bool) -> None:
    speckle = np.random.default_rng(4).gamma(2, 20, (50, 60, 40))
    dark = float(np.quantile(speckle, share))
    data = np.rint(np.maximum(speckle - dark, 0) + 1 + lift).clip(1, 255).astype(np.uint8)
    data[:10] = 0
    file = read(Volume(data, VolumeGeometry.from_spacing(data.shape, (1.0, 1.0, 1.0))))
    assert [(flag.code, flag.detail[:1]) for flag in file.flags] == [("dark_echoes", "3")] * noted
    assert file.verdict == "ok"


@pytest.mark.parametrize("name", NEARLY)
def test_stray_voxels_change_their_neighbourhood_alone(scan: Volume, name: str) -> None:
    plain, other = (preprocess(volume, SPEC) for volume in (scan, Volume(NEARLY[name](scan.data), scan.geometry)))
    assert (other.field_of_view != plain.field_of_view).mean() < 0.002
    assert (np.abs(other.tensor - plain.tensor) > 0.1).mean() < 0.01


def marked(value: int, share: float) -> Disguise:
    def changed(data: NDArray[np.uint8]) -> NDArray[np.generic]:
        other = data.astype(np.int32)
        other.flat[:: round(1 / share)] = value
        return other

    return changed


@pytest.mark.parametrize("value", [4095, 32767, -1000])
@pytest.mark.parametrize("share", [0.0003, 0.003])
def test_marks_do_not_change_the_range_of_the_echoes(scan: Volume, value: int, share: float) -> None:
    plain, other = find_echo_range(scan.data), find_echo_range(marked(value, share)(scan.data))
    assert other.fill == plain.fill
    assert (other.low, other.high) == pytest.approx((plain.low, plain.high), abs=6)
    assert other.fill_like_echoes is None


@pytest.mark.parametrize("value", [4095, 32767, -1024])
def test_a_corner_without_echoes_is_outside_the_fan(value: int) -> None:
    data = np.random.default_rng(1).integers(20, 200, (40, 40, 40)).astype(np.int32)
    data[:8, :8, :8] = value
    plain = clean_values(Volume(data, VolumeGeometry.from_spacing(data.shape, (1.0, 1.0, 1.0)))).data
    assert (plain[:8, :8, :8] == 0).all()
    np.testing.assert_array_equal(plain[8:], data[8:])


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_echoes_that_single_precision_cannot_tell_apart_are_refused(scan: Volume, kind: type[np.generic]) -> None:
    find_echo_range((scan.data.astype(np.float64) + 1e6).astype(kind))
    with pytest.raises(NotMeasurable, match="single precision"):
        find_echo_range((scan.data.astype(np.float64) + 1e9).astype(kind))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_fluid_without_an_echo_is_inside_the_fan(scan: Volume, levels: int) -> None:
    darker = Volume(np.maximum(scan.data.astype(np.int16) - levels, 0).astype(np.uint8), scan.geometry)
    plain, other = preprocess(scan, SPEC), preprocess(darker, SPEC)
    assert (other.field_of_view != plain.field_of_view).sum() / plain.field_of_view.sum() < 0.04


def test_a_plain_volume_is_returned_itself(scan: Volume) -> None:
    assert clean_values(scan) is scan


def test_a_field_of_view_fill_pockets_is_returned_itself(scan: Volume) -> None:
    seen = preprocess(scan, SPEC).field_of_view
    assert fill_pockets(seen, SPEC.spacing_mm) is seen


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("side", [24, 33, 40])
def test_a_deep_pocket_is_filled_and_a_shallow_one_is_not(side: int, axis: int, last: bool) -> None:
    for depth, least, most in ((12, 0.8, 1.0), (8, 0.8, 1.0), (3, 0.0, 0.0)):  # its rim is as coarse as the hull
        box = np.ones((side,) * 3, np.bool_)
        hole = [slice(side // 4, side - side // 4)] * 3
        hole[axis] = slice(-depth, None) if last else slice(0, depth)
        box[tuple(hole)] = False
        filled = fill_pockets(box, 3.0)
        assert least <= filled[tuple(hole)].mean() <= most
        assert filled[box].all()


def test_a_cropped_scan_has_no_fill_value() -> None:
    data = np.random.default_rng(1).integers(20, 200, (40, 40, 40)).astype(np.uint8)
    echoes = find_echo_range(data)
    assert echoes.fill is None
    assert 20 <= echoes.low <= 21
    assert 198 <= echoes.high <= 199


@pytest.mark.parametrize("value", [0, -3, 255])
def test_a_constant_volume_is_refused(value: int) -> None:
    with pytest.raises(NotMeasurable, match="every voxel"):
        find_echo_range(np.full((8, 8, 8), value, np.int16))


def test_values_that_are_not_finite_are_refused() -> None:
    data = np.ones((8, 8, 8), np.float32)
    data[3, 3, 3] = np.nan
    with pytest.raises(NotMeasurable, match="not finite"):
        find_echo_range(data)


def test_the_volume_itself_is_not_changed(scan: Volume) -> None:
    other = Volume(outside(-1024)(scan.data), scan.geometry)
    before = other.data.copy()
    clean_values(other)
    np.testing.assert_array_equal(other.data, before)


def test_bright_echoes_that_equal_the_value_outside_stay() -> None:
    data = np.full((30, 30, 30), 255, np.uint8)
    data[5:25, 5:25, 5:25] = np.random.default_rng(2).integers(1, 255, (20, 20, 20))
    data[10:14, 10:14, 10:14] = 255
    plain = clean_values(Volume(data, VolumeGeometry.from_spacing(data.shape, (1.0, 1.0, 1.0)))).data
    assert (plain[10:14, 10:14, 10:14] == 255).all()
    assert (plain[:5] == 0).all()


@pytest.mark.parametrize("value", [-1024, 32767])
def test_the_picture_does_not_show_what_stands_outside_the_fan(scan: Volume, value: int) -> None:
    plain, other = (
        decode(Upload(encode_volume(volume), VolumeFields()), DecodeLimits()) for volume in (scan, filled(scan, value))
    )
    np.testing.assert_array_equal(other.file.volume.data, plain.file.volume.data)
    assert list_doubts(other.file) == list_doubts(plain.file)


def test_a_fill_value_that_echoes_have_is_a_doubt(scan: Volume) -> None:
    file = read(filled(scan, 255))
    assert file.verdict == "review"
    assert [(flag.code, "255" in flag.detail) for flag in list_doubts(file)] == [("fill_ambiguous", True)]


def read(volume: Volume) -> VolumeFile:
    return decode(Upload(encode_volume(volume), VolumeFields()), DecodeLimits()).file


def list_doubts(file: VolumeFile) -> list[Flag]:
    """The file's flags, without the note on dark tissues, which the look `contrast` always gets."""
    return [flag for flag in file.flags if flag.code != DARK_ECHOES]


def filled(volume: Volume, value: int) -> Volume:
    return Volume(np.where(volume.data == 0, value, volume.data.astype(np.int16)).astype(np.int16), volume.geometry)


def test_a_fan_that_fills_most_of_its_box_has_fluid_of_one_value_on_its_faces() -> None:
    """Fluid of value 1 is commoner on the faces than the 0 outside, and is no fill value for that."""
    data = np.random.default_rng(3).integers(2, 255, (60, 50, 40)).astype(np.uint8)
    data[:, :, -12:] = 1
    data[:14, :14, :14] = 0
    echoes = find_echo_range(data)
    assert (echoes.fill, echoes.fill_like_echoes) == (0, None)
    assert find_echo_range(np.where(data == 0, -1024, data.astype(np.int16))).fill == -1024
