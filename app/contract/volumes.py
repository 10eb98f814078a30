"""What `GET /volume` and `GET /growth` answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import Field, PlainSerializer

from app.contract.review import DecisionWord
from app.contract.upload import Subject
from app.contract.value import NOTICE, Value, Verdict

DECIMALS = 3
Computed = Annotated[float, PlainSerializer(lambda value: round(value, DECIMALS), return_type=float)]
"""What is computed of volumes and ages, answered with a digit more than they are measured with."""


class MeasurementFilter(Value):
    """The selection of measurements; None sets no limit."""

    subject: Subject | None = Field(None, description="Pseudonym.")
    since: datetime | None = Field(None, description="Measured at this moment or later (UTC where it names no zone).")
    until: datetime | None = Field(None, description="Measured before this moment.")
    verdict: Verdict | None = None
    model_version: int | None = Field(None, ge=1, le=2**31 - 1)
    search: str | None = Field(
        None, max_length=64, description="Part of a pseudonym, or the beginning of an identifier; case does not matter."
    )


class VolumeItem(Value):
    """One measured head volume."""

    id: str
    created_at: datetime
    subject: str | None
    gestational_age_weeks: float | None
    head_volume_ml: float | None
    head_volume_interval_ml: tuple[float, float] | None
    verdict: Verdict
    flags: tuple[str, ...]
    model_version: int
    decision: DecisionWord | None = Field(None, description="A reader's latest decision.")
    outdated: bool = Field(False, description="The mask was replaced after the decision, which asks for a new one.")
    edited_volume_ml: float | None = Field(None, description="Volume of the latest edited mask.")
    valid_volume_ml: float | None = Field(
        None,
        description="What counts now: the volume that a reader accepted or edited, else the measured one; null where a "
        "reader or the verdict rejected it.",
    )
    input_sha256: str | None = Field(description="SHA-256 of the file as it was sent.")
    href: str


class Statistics(Value):
    """Statistics of head volumes; the SD divides by n - 1."""

    count: int = Field(description="Measurements with a volume; those with the verdict `reject` have none.")
    mean_ml: Computed | None
    sd_ml: Computed | None
    min_ml: float | None
    max_ml: float | None


class WeekStatistics(Statistics):
    """Statistics of one completed gestational week."""

    week: int


class DayStatistics(Statistics):
    """A subject's scans of one day, each counted once by its valid volume."""

    day: date
    gestational_age_weeks: Computed | None = Field(description="Mean of those that are known.")


class Scan(Value):
    """One scan, counted once by its valid volume, however often its file was measured."""

    id: str = Field(description="The measurement that counts for it.")
    subject: str
    day: date = Field(description="On which it was first measured (UTC).")
    gestational_age_weeks: float | None
    head_volume_ml: float
    head_volume_interval_ml: tuple[float, float] | None = Field(description="Null where a reader drew the outline.")


class RepeatedPair(Value):
    """A scan and the one before it that it repeats: of the same subject, day and gestational age (or none)."""

    subject: str
    day: date
    earlier: str = Field(description="The measurement that counts for the earlier scan.")
    later: str
    mean_ml: Computed
    difference_ml: Computed = Field(description="The later minus the earlier volume.")


class Repeats(Value):
    """How far repeated scans differ, as Bland and Altman draw it."""

    pairs: tuple[RepeatedPair, ...] = Field(description="The newest 1,000, newest first.")
    count: int = Field(description="All pairs; the numbers below are of all of them.")
    mean_difference_ml: Computed | None
    limits_of_agreement_ml: tuple[Computed, Computed] | None = Field(
        description="Mean difference -/+ 1.96 SD (n - 1); null under three pairs."
    )


class VolumeSummary(Statistics):
    """Statistics over everything the filters let through, not only over this page."""

    by_gestational_week: tuple[WeekStatistics, ...]
    reproducibility_sd_ml: Computed | None = Field(
        description="Mean, over the groups of scans that repeat each other, of the SD within the group (n - 1)."
    )
    reproducibility_groups: int
    series: tuple[DayStatistics, ...] | None = Field(
        None, description="With the filter subject: its scans day by day, oldest first."
    )
    scans: tuple[Scan, ...] | None = Field(None, description="With the filter subject: its scans, oldest first.")
    repeats: Repeats | None = Field(None, description="With the filter subject, and with repeats=true.")


class VolumePage(Value):
    """The measured head volumes, newest first."""

    items: tuple[VolumeItem, ...]
    summary: VolumeSummary
    next: str | None = Field(description="Cursor of the next page; None on the last one.")
    notice: str = NOTICE


class GrowthPoint(Value):
    """The derived head volume at one gestational age."""

    gestational_age_weeks: float
    low_ml: float
    mean_ml: float
    high_ml: float


class GrowthBand(Value):
    """Head volume by gestational age, derived from growth standards of the head's circumference."""

    points: tuple[GrowthPoint, ...]
    z: float = Field(description="Half the band's width in SD: of the population and of the derivation together.")
    source: str
    label: str = Field(description="What has to stand beside every picture of this band.")
    notice: str = NOTICE
