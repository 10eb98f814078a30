"""The base of every value that is answered or stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

NOTICE: Final = (
    "Research use only. Not a medical device; not for diagnosis or the care of a patient. "
    "The model was trained on simulated patients only."
)
Verdict = Literal["ok", "review", "reject"]
VERDICTS: Final[tuple[Verdict, ...]] = ("ok", "review", "reject")
"""From the best to the worst."""
COLOURS: Final[Mapping[Verdict, str]] = {"ok": "#1a7f37", "review": "#9a6700", "reject": "#cf222e"}
"""Of the verdicts, on a white ground."""
ProviderChoice = Literal["auto", "cuda", "openvino", "cpu"]
Precision = Literal["fp32", "bf16", "fp16"]
PrecisionChoice = Literal["auto", Precision]
VOLUME_DECIMALS: Final = 2


def round_volume(volume_ml: float) -> float:
    """Return a measured volume with the digits it is answered and stored with."""
    return round(volume_ml, VOLUME_DECIMALS)


MeasuredMl = Annotated[float, AfterValidator(round_volume)]


class Value(BaseModel):
    """An immutable value without unnamed members."""

    model_config = ConfigDict(frozen=True, extra="forbid")
