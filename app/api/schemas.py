"""What the service answers, as pydantic models; the OpenAPI document is made from them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

NOTICE = (
    "Research use only. Not a medical device; not for diagnosis or the care of a patient. "
    "The model was trained on simulated patients only."
)

Verdict = Literal["ok", "review", "reject"]


class Answer(BaseModel):
    """Base of the answers: immutable, nothing unnamed."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(BaseModel):
    """What went wrong (RFC 9457, `application/problem+json`)."""

    model_config = ConfigDict(frozen=True)

    type: str = Field(description="Path of the page that describes the problem.", examples=["/problems/unreadable"])
    title: str
    status: int
    detail: str
    code: str
    expected: str | None = None
    got: str | None = None
    remedy: str | None = None
    id: str | None = Field(None, description="On 500: what the operator finds the cause under.")


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


class DecisionRequest(BaseModel):
    """A reader's decision; a reason is needed unless the mask is accepted as it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: DecisionWord
    reason: str = Field("", max_length=500, description="For people; never a name. Needed for edit and reject.")

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if self.decision != "accept" and not self.reason.strip():
            raise ValueError(f"the decision {self.decision} needs a reason")
        return self


class DecisionAnswer(Answer):
    """A recorded decision, and the mask it was about."""

    decision: DecisionWord
    reason: str
    at: datetime
    by: str = Field(description="Who decided.")
    head_volume_ml: float | None = Field(description="Volume of the mask that was decided for.")
    mask_sha256: str | None


class DecisionList(Answer):
    """The decisions about one measurement, oldest first."""

    decisions: tuple[DecisionAnswer, ...]


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


class Unfinished(Answer):
    """A segmentation without a result (yet)."""

    id: str
    status: Literal["queued", "running", "failed", "cancelled"]
    created_at: datetime
    stage: str | None = Field(None, description="What is being computed.")
    progress: float | None = Field(None, ge=0, le=1, description="Fraction of the stages that are done.")
    problem: Problem | None = Field(None, description="Why it failed.")
    notice: str = NOTICE


class ModelSummary(Answer):
    """One published model."""

    name: str
    version: int
    created: datetime | None = None
    active: bool
    data: str | None = Field(None, description="What it was trained on.", examples=["simulated"])
    accuracy: dict[str, Any] | None = None
    damage: str | None = Field(None, description="What is wrong with its files; None where nothing was found.")
    href: str


class Erasure(Answer):
    """What was erased."""

    erased: int = Field(description="Number of segmentations.")


class ModelList(Answer):
    """The models of the store, oldest first."""

    models: tuple[ModelSummary, ...]


class ModelDetail(Answer):
    """One published model, with all it says about itself."""

    active: bool
    manifest: dict[str, Any]
    evaluation: dict[str, Any] | None
    model_card: str | None


class Activation(BaseModel):
    """Which version to serve from now on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=1, le=2**31 - 1)


class Liveness(Answer):
    """The process answers."""

    status: Literal["alive"] = "alive"
    version: str


class Readiness(Answer):
    """The model passed its self-test."""

    status: Literal["ready"] = "ready"
    model: ModelAnswer
    runtime: RuntimeAnswer
    requested_provider: str
    requested_precision: str
    fallback: bool = Field(
        description="Another provider or precision runs than was asked for, or than the runtime was built for."
    )
