import numpy as np
import pytest

from app.contract.value import Verdict
from app.imaging.volume import Volume, VolumeGeometry
from app.pictures.preview import (
    OUTLINE,
    PreviewText,
)
from tests.app.pictures.drawing import MASK, VOLUME, picture
from tests.helpers.makers import HEAD, TISSUE, sphere_volume


def outlined(pixels: np.ndarray, verdict: str) -> np.ndarray:
    """Where the three planes carry the outline; the result's line below them has the same colour."""
    return np.asarray((pixels[:370] == OUTLINE[verdict]).all(axis=-1))


def test_the_outline_is_as_large_as_the_head() -> None:
    columns = np.flatnonzero(outlined(picture(), "ok")[:, :384].any(axis=0))
    pixel_mm = max(VOLUME.geometry.extent_mm) / 360
    assert (columns[-1] - columns[0] + 1) * pixel_mm == pytest.approx(2 * 38.4, abs=2.0)


def test_each_plane_has_an_outline() -> None:
    outline = outlined(picture(), "ok")
    assert all(outline[:, start : start + 360].any() for start in (12, 384, 756))


@pytest.mark.parametrize("verdict", ["ok", "review", "reject"])
def test_the_verdict_has_its_colour(verdict: Verdict) -> None:
    text = PreviewText(verdict, None, None, ("truncated",), "fetal_head 1")
    assert outlined(picture(text=text), verdict).any()


def test_an_empty_mask_is_drawn_without_outline() -> None:
    text = PreviewText("reject", None, None, ("no_head_found",), "fetal_head 1")
    assert not outlined(picture(mask=np.zeros_like(MASK), text=text), "reject").any()


@pytest.mark.parametrize("dtype", [np.int16, np.float64, ">i2"])
def test_any_number_type_is_drawn_alike(dtype: str) -> None:
    data = np.asarray(VOLUME.data).astype(dtype) * 3 - 200
    np.testing.assert_array_equal(picture(Volume(data, VOLUME.geometry)), picture())


def test_anisotropic_voxels_are_drawn_to_scale() -> None:
    volume = sphere_volume(shape=(128, 56, 30), spacing_mm=(1.0, 2.0, 4.0), off_centre_mm=(0.0, 0.0, 0.0))
    mask = (np.asarray(volume.data) > (HEAD + TISSUE) / 2).astype(np.uint8)
    outline = outlined(picture(volume, mask), "ok")[:, 384:756]
    height, width = (np.ptp(np.flatnonzero(outline.any(axis=axis))) for axis in (1, 0))
    assert height == pytest.approx(width, rel=0.06)


def test_a_constant_plane_is_no_error() -> None:
    geometry = VolumeGeometry.from_spacing((8, 8, 8), (2.0, 2.0, 2.0))
    assert picture(Volume(np.zeros((8, 8, 8), np.uint8), geometry), np.ones((8, 8, 8), np.uint8)).shape[2] == 3
