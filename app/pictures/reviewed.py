"""The preview of a measurement that a reader looked at: the outline that counts, who decided, when and why."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.contract.report import Report
from app.contract.review import Review
from app.imaging.nifti.file import read_mask_file
from app.imaging.volume import VolumeGeometry
from app.pictures.preview import PANEL, PreviewText, draw_outline

REJECTED = "REJECTED"


def draw_reviewed_preview(report: Report, planes_png: bytes | None, measured: bytes, valid: bytes) -> bytes:
    """Draw the planes with the outline that counts now.

    `measured` and `valid` are masks (.nii.gz), the model's and the one that counts. Measurements of earlier versions
    have no planes: the outline then stands on black.
    """
    located_by, mask = _read(measured), _read(valid)
    geometry = VolumeGeometry.from_spacing(mask.shape, report.input.spacing_mm)
    planes = Image.new("L", (3 * PANEL, PANEL)) if planes_png is None else Image.open(io.BytesIO(planes_png))
    return draw_outline(planes, geometry, located_by, mask, _describe(report))


def describe_review(review: Review) -> str:
    """Return who decided what, when and why; or that an edited mask still waits for a decision."""
    decision, edit = review.decision, review.edit
    if decision is None:
        drawn = "" if edit is None else f", drawn by {edit.by} on {edit.at:%Y-%m-%d %H:%M} UTC"
        return f"edited mask{drawn}; not yet decided"
    reason = f": {' '.join(decision.reason.split())}" if decision.reason else ""
    again = " (the mask was replaced since: decide again)" if review.is_outdated else ""  # first: reasons may be long
    return f"{review.outcome} by {decision.by} on {decision.at:%Y-%m-%d %H:%M} UTC{again}{reason}"


def _describe(report: Report) -> PreviewText:
    valid, review = report.valid, report.review or Review()
    is_rejected = review.decision is not None and review.decision.decision == "reject"
    judged = report.verdict if review.edit is None else review.edit.findings.verdict
    return PreviewText(
        verdict="reject" if is_rejected else judged if review.decision is None else "ok",
        head_volume_ml=valid.head_volume_ml,
        interval_ml=valid.interval_ml,
        flags=(),
        model=f"{report.model.name} {report.model.version}",
        review=describe_review(review),
        stamp=REJECTED if is_rejected else None,
    )


def _read(mask_file: bytes) -> NDArray[np.uint8]:
    return np.asarray(read_mask_file(mask_file).dataobj, dtype=np.uint8)
