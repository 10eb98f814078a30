"""What the service answers beside reports and volumes."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.contract.report import Model, Runtime
from app.contract.value import NOTICE, Value


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


class Unfinished(Value):
    """A segmentation without a result (yet)."""

    id: str
    status: Literal["queued", "running", "failed", "cancelled"]
    created_at: datetime
    stage: str | None = Field(None, description="What is being computed.")
    progress: float | None = Field(None, ge=0, le=1, description="Fraction of the stages that are done.")
    problem: Problem | None = Field(None, description="Why it failed.")
    notice: str = NOTICE


class ModelSummary(Value):
    """One published model."""

    name: str
    version: int
    created: datetime | None = None
    active: bool
    data: str | None = Field(None, description="What it was trained on.", examples=["simulated"])
    accuracy: dict[str, Any] | None = None
    damage: str | None = Field(None, description="What is wrong with its files; None where nothing was found.")
    href: str


class Erasure(Value):
    """What was erased."""

    erased: int = Field(description="Number of segmentations.")


class ModelList(Value):
    """The models of the store, oldest first."""

    models: tuple[ModelSummary, ...]


class ModelDetail(Value):
    """One published model, with all it says about itself."""

    active: bool
    manifest: dict[str, Any]
    evaluation: dict[str, Any] | None
    model_card: str | None


class Activation(Value):
    """Which version to serve from now on."""

    version: int = Field(ge=1, le=2**31 - 1)


class Liveness(Value):
    """The process answers."""

    status: Literal["alive"] = "alive"
    version: str


class Readiness(Value):
    """The model passed its self-test."""

    status: Literal["ready"] = "ready"
    version: str | None = Field(None, description="Version of fetalhead; None from services of 0.2.0 and before.")
    model: Model
    runtime: Runtime
    requested_provider: str
    requested_precision: str
    fallback: bool = Field(
        description="Another provider or precision runs than was asked for, or than the runtime was built for."
    )
