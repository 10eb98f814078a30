import numpy as np
import pytest
from pydantic import ValidationError

from app.imaging.regions import Box, RegionSpec, crop, find_region, whole_box

SHAPE = (40, 32, 24)


def blob(*box: slice) -> np.ndarray:
    """A probability on a grid of 2 mm."""
    probability = np.zeros(SHAPE, dtype=np.float32)
    probability[box] = 0.9
    return probability


def region(probability: np.ndarray, margin_mm: float = 4.0, extent_mm: float | None = None) -> Box:
    return find_region(probability, RegionSpec(margin_mm=margin_mm, extent_mm=extent_mm), spacing_mm=2.0, divisor=8)


class TestABoxAroundTheHead:
    def test_it_holds_the_largest_piece_its_margin_and_whole_multiples(self) -> None:
        probability = blob(slice(12, 19), slice(10, 20), slice(2, 9))
        probability[38, 30, 22] = 1
        box = region(probability)
        assert [size % 8 for size in box.shape] == [0, 0, 0]
        for start, stop, (low, high) in zip(box.start, box.stop, [(10, 21), (8, 22), (0, 11)], strict=True):
            assert start <= low
            assert stop >= high
        assert box.stop[2] < SHAPE[2]

    @pytest.mark.parametrize("corner", [0, 39])
    def test_it_stays_within_the_grid(self, corner: int) -> None:
        probability = blob(slice(corner, corner + 1), slice(0, 32), slice(20, 24))
        box = region(probability, margin_mm=60.0)
        assert all(
            0 <= start < stop <= n for start, stop, n in zip(box.start, box.stop, probability.shape, strict=True)
        )
        assert crop(probability, box, 0.0).sum() == probability.sum()

    def test_the_threshold_says_what_was_found(self) -> None:
        probability = blob(slice(8, 12), slice(8, 12), slice(8, 12))
        probability[8:24, 8:12, 8:12] = np.maximum(probability[8:24, 8:12, 8:12], 0.4)
        narrow, wide = (
            find_region(probability, RegionSpec(margin_mm=0, threshold=threshold), 2.0, 4) for threshold in (0.5, 0.4)
        )
        assert (narrow.shape, wide.shape) == ((4, 4, 4), (16, 4, 4))


class TestACubeAroundTheHead:
    def test_it_has_its_extent_about_the_middle_of_the_head(self) -> None:
        box = region(blob(slice(18, 22), slice(11, 19), slice(10, 14)), extent_mm=31.9)
        assert box == Box((12, 7, 4), (28, 23, 20))
        assert box.middle == (19.5, 14.5, 11.5)

    def test_it_keeps_its_extent_beyond_the_grid(self) -> None:
        box = region(blob(slice(0, 4), slice(28, 32), slice(10, 14)), extent_mm=48.0)
        assert box == Box((-10, 18, 0), (14, 42, 24))

    def test_it_grows_where_the_head_and_its_margin_are_larger(self) -> None:
        box = region(blob(slice(4, 24), slice(11, 19), slice(10, 14)), margin_mm=5.0, extent_mm=32.0)
        assert box.shape == (32, 16, 16)  # 20 voxels and 3 on either side
        assert box.middle == (13.5, 14.5, 11.5)

    def test_its_sides_are_whole_multiples(self) -> None:
        assert region(blob(slice(18, 22), slice(11, 19), slice(10, 14)), extent_mm=33.0).shape == (24, 24, 24)


@pytest.mark.parametrize("extent_mm", [None, 32.0])
def test_without_a_head_it_is_the_whole_grid(extent_mm: float | None) -> None:
    assert region(blob(slice(0, 0)), extent_mm=extent_mm) == whole_box(SHAPE)


def test_what_lies_beyond_the_grid_is_filled() -> None:
    values = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    part = crop(values, Box((-1, 1, -2), (1, 4, 6)), -7.0)
    assert part.shape == (2, 3, 8)
    np.testing.assert_array_equal(part[1, :2, 2:6], values[0, 1:])
    assert (part == -7).sum() == part.size - values[0, 1:].size


@pytest.mark.parametrize("changed", [{"margin_mm": -1}, {"extent_mm": 0}, {"threshold": 1.0}, {"surprise": 1}])
def test_what_cannot_be_is_refused(changed: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RegionSpec.model_validate({"margin_mm": 8.0} | changed)
