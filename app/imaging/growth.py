"""Fetal head size by gestational age.

INTERGROWTH-21st fetal growth standards: Papageorghiou et al., Lancet 2014;384:869. Weeks are exact (24 weeks 3 days
is 24.43), sizes are millimetres. The head *volume* below is derived from these, not a reference standard: no widely
accepted chart of fetal head volume exists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

VALID_WEEKS = (14.0, 40.0)

WHOLE_HEAD_FACTOR = 1.15
"""Whole-head volume over that of a sphere with the same head circumference; derived from the simulated anatomy."""

DERIVATION_CV = 0.06
"""Coefficient of variation, in volume, of that factor."""


@dataclass(frozen=True)
class Measure:
    """Mean and standard deviation of one biometric measure, in mm."""

    mean_mm: float
    sd_mm: float

    def at(self, z: float) -> float:
        """Return the size at `z` standard deviations from the mean, in mm."""
        return self.mean_mm + z * self.sd_mm


def head_circumference(weeks: float) -> Measure:
    """Return the head circumference (HC), mm; 14 to 40 weeks."""
    log = math.log(_check_weeks(weeks))
    square, cube = weeks**2, weeks**3
    mean = -28.2849 + 1.69267 * square - 0.397485 * square * log
    spread = 1.98735 + 0.0136772 * cube - 0.00726264 * cube * log + 0.000976253 * cube * log**2
    return Measure(mean, spread)


def transcerebellar_diameter(weeks: float) -> Measure:
    """Return the transcerebellar diameter (TCD), mm; 14 to 40 weeks."""
    decades = _check_weeks(weeks) / 10
    mean = -13.10907 + 20.8941 * math.sqrt(decades) + 0.5035914 * decades**3
    return Measure(mean, 0.4719837 + 0.0500382 * decades**3)


def equivalent_circumference(volume_ml: float, factor: float = WHOLE_HEAD_FACTOR) -> float:
    """Return the head circumference in mm for a whole-head volume: the inverse of V = k HC^3 / (6 pi^2)."""
    return float((6 * math.pi**2 * volume_ml * 1000 / factor) ** (1 / 3))


def expected_head_volume_ml(weeks: float, z: float = 0.0, factor: float = WHOLE_HEAD_FACTOR) -> float:
    """Return the derived whole-head volume in mL at `z` standard deviations of HC; not a reference standard."""
    return factor * head_circumference(weeks).at(z) ** 3 / (6 * math.pi**2) / 1000


def head_volume_band_ml(weeks: float, z: float, model_cv: float = DERIVATION_CV) -> tuple[float, float]:
    """Return derived whole-head volumes `z` SD below and above the mean, mL; not a reference standard.

    The standard deviation holds the population's spread of HC and the derivation's own uncertainty (of volume).
    """
    size = head_circumference(weeks)
    total_z = z * math.hypot(size.sd_mm, size.mean_mm * model_cv / 3) / size.sd_mm
    return expected_head_volume_ml(weeks, -total_z), expected_head_volume_ml(weeks, total_z)


def _check_weeks(weeks: float) -> float:
    low, high = VALID_WEEKS
    if not low <= weeks <= high:
        raise ValueError(f"gestational age {weeks:g} weeks: the growth standard holds for {low:g} to {high:g} weeks")
    return weeks
