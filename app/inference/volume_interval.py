"""The 95 % interval around a measured volume: one relative width for all cases, or one that follows the case."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from app.contract.report import QualityNumbers
from app.contract.value import Value

NumberOfDoubt = Literal["context_agreement_dsc", "foreground_entropy", "soft_volume_change"]


class WidthFactor(Value):
    """A quality number with which the width grows: by (number / typical) ** exponent.

    Of `context_agreement_dsc` the difference to 1 counts, so that all numbers are large where the outline is doubtful.
    """

    number: NumberOfDoubt
    typical: float = Field(gt=0, description="where the factor is 1: the geometric mean of the validation cases")
    least: float = Field(gt=0, description="smaller numbers count as this one, the smallest in validation")
    exponent: float = Field(ge=0)

    def of(self, numbers: QualityNumbers) -> float:
        """Return the factor of a case; 1 where the number was not measured."""
        value = read_doubt(numbers, self.number)
        return 1.0 if value is None else float((max(value, self.least) / self.typical) ** self.exponent)


class WidthByCase(Value):
    """The form of an interval whose width follows the case, and what set it."""

    factors: tuple[WidthFactor, ...] = Field(min_length=1)
    cases: int = Field(ge=1, description="validation cases that set the half width")
    data: str = Field(description="what these are: 'simulated' or 'own'")


class VolumeInterval(Value):
    """The 95 % prediction interval of the error, relative to the measured volume.

    Without `by_case` it is as wide for every case; with it, `half_width_percent` is that of a typical case.
    """

    bias_percent: float = 0.0
    half_width_percent: float = Field(default=15.0, gt=0)
    floor_ml: float = Field(default=5.0, ge=0, description="smallest half width")
    by_case: WidthByCase | None = Field(default=None, description="None where the width is the same for all")

    def find_half_width_percent(self, numbers: QualityNumbers) -> float:
        """Return the half width for a case, in per cent of its measured volume, without the floor."""
        width = self.half_width_percent
        for factor in self.by_case.factors if self.by_case else ():
            width *= factor.of(numbers)
        return width

    def around(self, volume_ml: float, numbers: QualityNumbers) -> tuple[float, float]:
        """Return the limits between which the true volume lies in 95 % of cases (mL)."""
        centre = volume_ml * (1 - self.bias_percent / 100)
        half = max(volume_ml * self.find_half_width_percent(numbers) / 100, self.floor_ml)
        return max(0.0, centre - half), centre + half


def read_doubt(numbers: QualityNumbers, name: NumberOfDoubt) -> float | None:
    """Return a quality number so that it is large where the outline is doubtful; None where it was not measured."""
    value: float | None = getattr(numbers, name)
    return 1 - value if value is not None and name == "context_agreement_dsc" else value
