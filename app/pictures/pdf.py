"""The report of a measurement as PDF, from its stored files."""

from __future__ import annotations

import numpy as np

from app.contract.report import Report
from app.imaging.nifti.file import read_mask_file
from app.imaging.volume import VolumeGeometry
from app.pictures.page import Pictures, draw_page
from app.pictures.preview import crop_to_planes
from app.pictures.surface import draw_surface


def draw_report(report: Report, mask_file: bytes, preview_png: bytes) -> bytes:
    """Draw one page with the planes of the preview, the surface of the mask (.nii.gz) and the report."""
    image = read_mask_file(mask_file)
    mask = np.asarray(image.dataobj, dtype=np.uint8)
    surface = draw_surface(mask, VolumeGeometry(mask.shape, image.affine))
    return draw_page(report, Pictures(crop_to_planes(preview_png), surface))
