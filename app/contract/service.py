"""What the service answers beside reports and volumes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.contract.report import NOTICE, Answer, DecisionAnswer, DecisionWord, ModelAnswer, RuntimeAnswer


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


class DecisionList(Answer):
    """The decisions about one measurement, oldest first."""

    decisions: tuple[DecisionAnswer, ...]


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
