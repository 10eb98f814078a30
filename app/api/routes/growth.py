"""GET /growth: the derived band that measured volumes are drawn against, never a reference chart."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from app.contract.volumes import GrowthBand, GrowthPoint
from app.imaging.growth import VALID_WEEKS, expected_head_volume_ml, head_volume_band_ml

router = APIRouter(tags=["measurements"])
HALF_WIDTH_Z: Final = 2.0
STEPS_A_WEEK: Final = 2
LABEL: Final = "Derived from head circumference; not a reference chart."
SOURCE: Final = (
    "INTERGROWTH-21st head circumference, converted to whole-head volume by the shape of the simulated anatomy"
)


@router.get("/growth", summary="Derived head volume by gestational age")
async def growth() -> GrowthBand:
    """Return the band from 14 to 40 weeks. It is derived: no accepted reference chart of head volume exists."""
    first, last = VALID_WEEKS
    weeks = [first + step / STEPS_A_WEEK for step in range(int((last - first) * STEPS_A_WEEK) + 1)]
    return GrowthBand(points=tuple(map(_point, weeks)), z=HALF_WIDTH_Z, source=SOURCE, label=LABEL)


def _point(weeks: float) -> GrowthPoint:
    low, high = head_volume_band_ml(weeks, HALF_WIDTH_Z)
    return GrowthPoint(
        gestational_age_weeks=weeks,
        low_ml=round(low, 1),
        mean_ml=round(expected_head_volume_ml(weeks), 1),
        high_ml=round(high, 1),
    )
