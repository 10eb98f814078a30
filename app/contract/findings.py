"""What is found about a mask: reasons for doubt, and sizes."""

from __future__ import annotations

from pydantic import Field

from app.contract.value import Value, Verdict


class Flag(Value):
    """One reason for doubt: a stable code, what was found, and what to do about it."""

    code: str = Field(examples=["truncated"])
    detail: str
    remedy: str


class Biometry(Value):
    """Skin-to-skin sizes of the head, mm; derived from the mask, not a sonographer's calliper measurement."""

    head_circumference_mm: float
    biparietal_diameter_mm: float
    occipitofrontal_diameter_mm: float


class EditFindings(Value):
    """What the checks of size, pieces and edge found in a mask that a reader drew, and its own sizes."""

    verdict: Verdict = "ok"
    flags: tuple[Flag, ...] = ()
    biometry: Biometry | None = None
