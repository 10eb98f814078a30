"""What the picture marks where the outline is not sure."""

import io

import numpy as np
import pytest
from PIL import Image

from app.imaging.preprocess import PreprocessingSpec, preprocess
from app.imaging.volume import Volume
from app.pictures.preview import (
    CUT_OFF,
    OUTLINE,
    SOFT,
    crop_to_planes,
    draw_preview,
)
from app.pictures.uncertainty import Uncertainty, find_uncertainty
from tests.app.pictures.drawing import MASK, TEXT, VOLUME, picture


class TestUncertainty:
    """The sphere's centre lies at (3, -2, 4) mm; its probability is made as soft, or as shifted, as a test wants it."""

    def marked(self, colour: tuple[int, int, int], uncertainty: Uncertainty, volume: Volume = VOLUME) -> np.ndarray:
        """Columns of the third plane (i down, j right) in which a colour is seen, relative to the panel's middle."""
        pixels = picture(volume=volume, uncertainty=uncertainty)[12:372, 756:1116]
        distance = np.abs(pixels.astype(int) - colour).sum(axis=-1)
        return np.flatnonzero((distance < 20).any(axis=0)) - 180

    def uncertainty(
        self, soft_mm: tuple[float, float] = (4.0, 4.0), shift_mm: float = 0.0, volume: Volume = VOLUME
    ) -> Uncertainty:
        """Probabilities that climb within so many mm on either side of the centre, and a first level that is off."""
        preprocessed = preprocess(volume, PreprocessingSpec(spacing_mm=2.0))
        index = np.indices(preprocessed.geometry.shape)
        affine = preprocessed.geometry.affine
        x, y, z = np.tensordot(affine[:3, :3], index, axes=1) + affine[:3, 3][:, None, None, None]
        middle = volume.geometry.affine @ np.array([*(np.array(volume.data.shape) - 1) / 2, 1.0])
        x, y, z = x - middle[0] - 3, y - middle[1] + 2, z - middle[2] - 4
        width = np.where(y < 0, *soft_mm)
        levels = [
            np.clip(0.5 + (38.4 - np.sqrt(x**2 + (y - shift) ** 2 + z**2)) / width, 0, 1).astype(np.float32)
            for shift in (shift_mm, 0.0)
        ]
        return find_uncertainty(levels, preprocessed, 0.5)

    def test_a_sure_outline_carries_no_mark(self) -> None:
        np.testing.assert_array_equal(picture(uncertainty=self.uncertainty()), picture())

    def test_a_soft_outline_is_dashed_where_it_is_soft(self) -> None:
        columns = self.marked(SOFT, self.uncertainty(soft_mm=(40.0, 4.0)))
        assert columns.size
        assert columns.max() < 0
        assert self.marked(OUTLINE["ok"], self.uncertainty(soft_mm=(40.0, 4.0))).max() > 50

    def test_levels_that_disagree_fill_what_lies_between_them(self) -> None:
        marked = picture(uncertainty=self.uncertainty(shift_mm=10.0))
        grey = np.asarray(picture(), dtype=int)
        changed = np.abs(np.asarray(marked, dtype=int) - grey).sum(axis=-1)[12:372, 756:1116] > 30
        pixel_mm = max(VOLUME.geometry.extent_mm) / 360
        assert np.ptp(np.flatnonzero(changed.any(axis=0))) * pixel_mm == pytest.approx(2 * 38.4 + 10, abs=4)

    def test_an_outline_at_the_edge_of_the_field_of_view_is_thick(self) -> None:
        """Beyond j = 40 mm the scanner saw nothing: the head ends there, 36.4 mm from its centre."""
        data = np.array(VOLUME.data)
        data[:, 46:] = 0
        volume = Volume(data, VOLUME.geometry)
        columns = self.marked(CUT_OFF, self.uncertainty(volume=volume), volume)
        assert columns.size
        assert columns.min() > 0

    def test_the_planes_alone(self) -> None:
        whole = draw_preview(VOLUME, MASK, TEXT)
        planes = np.asarray(Image.open(io.BytesIO(crop_to_planes(whole))))
        np.testing.assert_array_equal(planes, picture()[: planes.shape[0]])
        assert planes.shape[0] == 384
