"""A head, its mask, and the picture of both as pixels."""

import io

import numpy as np
from PIL import Image

from app.imaging.volume import Volume
from app.pictures.preview import (
    PreviewText,
    draw_preview,
)
from app.pictures.uncertainty import Uncertainty
from tests.helpers.makers import HEAD, TISSUE, sphere_volume

VOLUME = sphere_volume()
MASK = (np.asarray(VOLUME.data) > (HEAD + TISSUE) / 2).astype(np.uint8)
TEXT = PreviewText("ok", 237.2, (200.0, 270.0), (), "fetal_head 1")


def picture(
    volume: Volume = VOLUME, mask: np.ndarray = MASK, text: PreviewText = TEXT, uncertainty: Uncertainty | None = None
) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(draw_preview(volume, mask, text, uncertainty))))
