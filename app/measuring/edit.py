"""The checks that a mask drawn by a reader passes, too: its size, its pieces, and whether it is cut off."""

from __future__ import annotations

from app.contract.findings import EditFindings
from app.contract.report import QualityNumbers
from app.imaging.arrays import Bool
from app.imaging.biometry import measure_biometry
from app.imaging.components import find_components
from app.imaging.nifti.edited_mask import EditedMask
from app.imaging.quality import Limit, QualitySpec, assess
from app.imaging.reliability import surface

SMALLEST_PIECE = 0.002
"""What is smaller than this part of the mask is a slip of the brush, and no piece of its own."""


def check_edit(edited: EditedMask, spec: QualitySpec, gestational_age_weeks: float | None) -> EditFindings:
    """Judge an edited mask by the model's limits, but for the pieces: a reader draws one."""
    head = edited.mask != 0
    numbers = QualityNumbers(components=_count_pieces(head), fov_contact_fraction=_measure_contact(head))
    limits = spec.model_copy(update={"components": Limit(review=1)})
    judged = assess(numbers, edited.head_volume_ml, limits, gestational_age_weeks)
    biometry = None if judged.verdict == "reject" else measure_biometry(head, edited.geometry.spacing_mm)
    return EditFindings(verdict=judged.verdict, flags=judged.flags, biometry=biometry)


def _count_pieces(head: Bool) -> int:
    sizes = find_components(head, 26).sizes()
    return int((sizes >= SMALLEST_PIECE * head.sum()).sum())


def _measure_contact(head: Bool) -> float:
    """Return the part of the mask's surface that lies at the border of the volume."""
    outer = surface(head)
    within = outer[1:-1, 1:-1, 1:-1]
    return 1 - int(within.sum()) / max(1, int(outer.sum()))
