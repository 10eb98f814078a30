"""What the service answers, as pydantic models; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

NOTICE = (
    "Research use only. Not a medical device; not for diagnosis or the care of a patient. "
    "The model was trained on simulated patients only."
)

Verdict = Literal["ok", "review", "reject"]


class Answer(BaseModel):
    """Base of the answers: immutable, nothing unnamed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FlagAnswer(Answer):
    """One reason for doubt."""

    code: str = Field(examples=["truncated"])
    detail: str
    remedy: str


class QualityAnswer(Answer):
    """Numbers that predict failure; fractions, None where there is nothing to measure."""

    context_agreement_dsc: float | None
    foreground_entropy: float | None
    components: int
    fov_contact_fraction: float | None
    level_volume_change: float | None = None
    outside_mass_fraction: float | None = None
    soft_volume_change: float | None = None
    ellipsoid_ratio: float | None = None
    outside_fov_fraction: float | None = None


class BiometryAnswer(Answer):
    """Sizes taken from the mask, mm."""

    head_circumference_mm: float | None
    biparietal_diameter_mm: float | None
    occipitofrontal_diameter_mm: float | None


class ModelAnswer(Answer):
    """Which model measured."""

    name: str
    version: int
    sha256: tuple[str, ...] = Field(description="SHA-256 of each context level's file.")


class RuntimeAnswer(Answer):
    """What the model ran on."""

    provider: str = Field(examples=["OpenVINOExecutionProvider"])
    precision: str = Field(examples=["fp32"])


class InputAnswer(Answer):
    """The measured volume."""

    sha256: str = Field(description="SHA-256 of the file as it was sent.")
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]


DecisionWord = Literal["accept", "edit", "reject"]


class DecisionAnswer(Answer):
    """A recorded decision, and the mask it was about."""

    decision: DecisionWord
    reason: str
    at: datetime
    by: str = Field(description="Who decided.")
    head_volume_ml: float | None = Field(description="Volume of the mask that was decided for.")
    mask_sha256: str | None


class EditAnswer(Answer):
    """A mask that a reader drew in place of the model's."""

    at: datetime
    by: str
    head_volume_ml: float
    sha256: str
    mask: str


class ReviewAnswer(Answer):
    """What readers made of a measurement: the latest decision and the latest edited mask."""

    decision: DecisionAnswer | None
    edit: EditAnswer | None


class Report(Answer):
    """One completed segmentation."""

    id: str
    status: Literal["completed"] = "completed"
    created_at: datetime
    subject: str | None = None
    gestational_age_weeks: float | None = None
    verdict: Verdict
    flags: tuple[FlagAnswer, ...]
    head_volume_ml: float | None = Field(description="None where the verdict is reject.", examples=[236.4])
    head_volume_interval_ml: tuple[float, float] | None = Field(
        description="In 95 % of cases like those of the model's validation the true volume lies between these. "
        "None where the verdict is reject, or too few cases were validated.",
        examples=[[227.9, 244.9]],
    )
    quality: QualityAnswer
    biometry: BiometryAnswer | None
    model: ModelAnswer
    runtime: RuntimeAnswer
    timings_s: dict[str, float]
    input: InputAnswer
    mask: str
    preview: str
    review: ReviewAnswer | None = Field(None, description="What readers made of it since; None where nobody looked.")
    notice: str = NOTICE
