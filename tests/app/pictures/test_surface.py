import io

import numpy as np
import pytest
from PIL import Image

from app.imaging.volume import VolumeGeometry
from app.pictures.surface import VIEW, draw_surface
from tests.helpers.makers import HEAD, TISSUE, sphere_volume


def drawn(**shape: object) -> np.ndarray:
    volume = sphere_volume(**shape)  # type: ignore[arg-type]
    mask = (np.asarray(volume.data) > (HEAD + TISSUE) / 2).astype(np.uint8)
    png = draw_surface(mask, volume.geometry)
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)))


def extent(view: np.ndarray) -> tuple[int, int]:
    """Height and width of what is not paper, above the scale."""
    used = np.asarray(view[: VIEW - 34].min(axis=-1) < 250)
    height, width = (int(np.ptp(np.flatnonzero(used.any(axis=axis)))) for axis in (1, 0))
    return height, width


def test_a_sphere_is_round_from_both_sides_and_lit_from_above_left() -> None:
    picture = drawn()
    for view in (picture[:, :VIEW], picture[:, -VIEW:]):
        height, width = extent(view)
        assert height == pytest.approx(width, rel=0.06)
        middle, arm = VIEW // 2, VIEW // 4
        assert view[middle - arm, middle - arm].sum() > 1.5 * view[middle + arm, middle + arm].sum()


def test_voxels_of_unequal_sides_are_drawn_to_scale() -> None:
    picture = drawn(shape=(110, 56, 30), spacing_mm=(1.0, 2.0, 4.0), off_centre_mm=(0.0, 0.0, 0.0))
    height, width = extent(picture[:, :VIEW])
    assert height == pytest.approx(width, rel=0.08)


def test_nothing_has_no_surface() -> None:
    geometry = VolumeGeometry.from_spacing((8, 8, 8), (2.0, 2.0, 2.0))
    assert draw_surface(np.zeros((8, 8, 8), np.uint8), geometry) is None


def test_what_is_too_small_to_be_seen_has_no_surface() -> None:
    mask = np.zeros((8, 8, 8), np.uint8)
    mask[4, 4, 4] = 1
    assert draw_surface(mask, VolumeGeometry.from_spacing((8, 8, 8), (1.0, 1.0, 1.0))) is None
