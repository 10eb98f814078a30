"""The report of a measurement, and the files beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field

from app.contract.findings import Biometry, Flag, HeadPose
from app.contract.review import Review
from app.contract.value import NOTICE, MeasuredMl, Value, Verdict

MASK: Final = "mask.nii.gz"
EDITED_MASK: Final = "edited_mask.nii.gz"
"""A reader's mask in an archive, beside the model's."""
PREVIEW: Final = "preview.png"
PLANES: Final = "planes.png"
"""The planes of the preview without any outline."""
REPORT: Final = "report.json"
PROBABILITY: Final = "probability.nii.gz"
"""The last context level's probability, on the network's grid."""
DISAGREEMENT: Final = "disagreement.nii.gz"
"""How far the last two context levels' probabilities lie apart, on the network's grid."""
TIME_DECIMALS: Final = 4
Seconds = Annotated[float, AfterValidator(lambda seconds: round(seconds, TIME_DECIMALS))]


class QualityNumbers(Value):
    """Numbers that predict failure; fractions unless said otherwise, None where there is nothing to measure."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)

    context_agreement_dsc: float | None = Field(None, description="DSC of the last two context levels' masks.")
    foreground_entropy: float | None = Field(
        None, description="Mean binary entropy of the probability in and near the head, in bits."
    )
    components: int = Field(0, description="Components that are large enough to be a head.")
    fov_contact_fraction: float | None = Field(
        None, description="Surface voxels of the mask next to, or beyond, the edge of the field of view."
    )
    level_volume_change: float | None = Field(None, description="|V_last - V_before| / V_last of the context levels.")
    outside_mass_fraction: float | None = Field(None, description="Probability that lies away from the mask.")
    soft_volume_change: float | None = Field(
        None, description="|sum of the probability near the head - voxels of the mask| / voxels of the mask."
    )
    ellipsoid_ratio: float | None = Field(
        None, description="The mask's volume over that of the ellipsoid with the same second moments."
    )
    outside_fov_fraction: float | None = Field(
        None, description="Voxels of the mask beyond the edge of the field of view."
    )
    pose_certainty: float | None = Field(
        None, description="1 where the network is sure of face and vertex, 0 where it does not know."
    )


class Model(Value):
    """The model that measured."""

    name: str
    version: int
    sha256: tuple[str, ...] = Field(description="SHA-256 of each context level's file.")


class Runtime(Value):
    """The runtime and the arithmetic that the model ran on."""

    provider: str = Field(examples=["OpenVINOExecutionProvider"])
    precision: str = Field(examples=["fp32"])


class Input(Value):
    """The measured volume."""

    sha256: str = Field(description="SHA-256 of the file as it was sent.")
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


@dataclass(frozen=True)
class ValidResult:
    """What counts of a measurement after what readers made of it; the volume is None where it was rejected."""

    head_volume_ml: float | None
    interval_ml: tuple[float, float] | None
    biometry: Biometry | None
    is_edited: bool


class Report(Value):
    """One completed segmentation."""

    id: str
    status: Literal["completed"] = "completed"
    created_at: datetime
    subject: str | None = None
    gestational_age_weeks: float | None = None
    verdict: Verdict
    flags: tuple[Flag, ...]
    head_volume_ml: MeasuredMl | None = Field(description="None where the verdict is reject.", examples=[236.4])
    head_volume_interval_ml: tuple[MeasuredMl, MeasuredMl] | None = Field(
        description="In 95 % of cases like those of the model's validation the true volume lies between these. "
        "None where the verdict is reject, or too few cases were validated.",
        examples=[[227.9, 244.9]],
    )
    quality: QualityNumbers
    biometry: Biometry | None
    pose: HeadPose | None = Field(
        None,
        description="None where the verdict is reject, or the model tells none or is not certain of it. "
        "An edited mask does not change it.",
    )
    model: Model
    runtime: Runtime
    software_version: str | None = Field(
        None, description="Version of fetalhead that measured; None in reports of 0.2.0 and before.", examples=["0.3.0"]
    )
    timings_s: dict[str, Seconds]
    input: Input
    mask: str
    preview: str
    review: Review | None = Field(None, description="What readers made of it since; None where nobody looked.")
    notice: str = NOTICE

    @property
    def valid(self) -> ValidResult:
        """What counts now: what the latest decision chose, else the newest edited mask, else what was measured.

        An edited mask that its checks rejected has no volume, as a measured one.
        """
        review = self.review or Review()
        decision, edit = review.decision, review.edit
        if decision is not None and decision.decision == "reject":
            return ValidResult(None, None, None, is_edited=False)
        if decision is not None and decision.decision == "edit":
            is_newest = edit is not None and edit.sha256 == decision.mask_sha256
            biometry = edit.findings.biometry if edit is not None and is_newest else None
            return ValidResult(decision.head_volume_ml, None, biometry, is_edited=True)
        if decision is None and edit is not None:
            volume_ml = None if edit.findings.verdict == "reject" else edit.head_volume_ml
            return ValidResult(volume_ml, None, edit.findings.biometry, is_edited=True)
        return ValidResult(self.head_volume_ml, self.head_volume_interval_ml, self.biometry, is_edited=False)


@dataclass(frozen=True)
class Measurement:
    """The outcome of a segmentation: its report, and its files by their name, such as `mask.nii.gz`."""

    report: Report
    files: Mapping[str, bytes] = field(repr=False)


def segmentation_path(segmentation_id: str) -> str:
    """Return the path that a segmentation has in the service."""
    return f"/segmentations/{segmentation_id}"
