"""Readers' reviews of a measurement: decisions and edited masks."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal, Self

from pydantic import Field, model_validator

from app.contract.findings import EditFindings
from app.contract.value import Value

DecisionWord = Literal["accept", "edit", "reject"]
DECIDED: Final = {"accept": "accepted", "edit": "accepted as edited", "reject": "rejected"}


class NewDecision(Value):
    """A reader's decision; a reason is needed unless the mask is accepted as it is."""

    decision: DecisionWord
    reason: str = Field(
        "",
        max_length=500,
        pattern=r"^[^\x00]*$",  # PostgreSQL stores no such character
        description="For people; never a name. Needed for edit and reject.",
    )

    @model_validator(mode="after")
    def _has_a_reason(self) -> Self:
        if self.decision != "accept" and not self.reason.strip():
            raise ValueError(f"the decision {self.decision} needs a reason")
        return self


class Decision(Value):
    """A recorded decision, and the mask it was about."""

    decision: DecisionWord
    reason: str
    at: datetime
    by: str = Field(description="Who decided.")
    head_volume_ml: float | None = Field(description="Volume of the mask that was decided for.")
    mask_sha256: str | None


class DecisionList(Value):
    """The decisions about one measurement, oldest first."""

    decisions: tuple[Decision, ...]


class Edit(Value):
    """A mask that a reader drew in place of the model's."""

    at: datetime
    by: str
    head_volume_ml: float
    sha256: str
    mask: str
    findings: EditFindings = EditFindings()


class Review(Value):
    """The latest decision about a measurement and its latest edited mask, each None where there is none."""

    decision: Decision | None = None
    edit: Edit | None = None

    @property
    def outcome(self) -> str:
        """What readers made of the measurement, in a word or two."""
        return "not yet decided" if self.decision is None else DECIDED[self.decision.decision]

    @property
    def is_outdated(self) -> bool:
        """Whether the mask was replaced after the decision, which asks for a new one."""
        if self.decision is None or self.edit is None or self.edit.sha256 == self.decision.mask_sha256:
            return False
        return self.edit.at > self.decision.at
