"""The report of a measurement as PDF, from what is stored of it."""

from __future__ import annotations

import numpy as np

from app.contract.report import Report
from app.imaging.nifti.file import read_mask_file
from app.imaging.volume import VolumeGeometry
from app.pictures.page import Pictures, draw_page
from app.pictures.preview import planes_of
from app.pictures.surface import draw_surface


def report_pdf(report: Report, mask_file: bytes, preview_png: bytes) -> bytes:
    """One page: the planes of the preview, the surface of the mask (.nii.gz), and what the report says."""
    image = read_mask_file(mask_file)
    mask = np.asarray(image.dataobj, dtype=np.uint8)
    surface = draw_surface(mask, VolumeGeometry(mask.shape, image.affine))
    return draw_page(report, Pictures(planes_of(preview_png), surface))
