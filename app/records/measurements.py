"""Queries on completed measurements: filtered, paged and summarised."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from statistics import fmean, stdev

from sqlalchemy import ColumnElement, Engine, Integer, cast, func, or_, select

from app.records.database import reading
from app.records.reviews import DecisionWord
from app.records.scans import (
    DECISION,
    EDITED_VOLUME,
    REPEAT,
    VALID_VOLUME,
    Repeats,
    Scan,
    compute_repeats,
    join_reviews,
    read_scan,
    select_repeated_pairs,
    select_scans,
)
from app.records.tables import SegmentationRow as Row
from app.records.volume_statistics import Statistics, compute_statistics, sum_by_group

_VOLUME = Row.head_volume_ml.label("volume")


@dataclass(frozen=True)
class MeasurementFilter:
    """The selection of measurements; None sets no limit. `since` is inclusive, `until` exclusive."""

    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    verdict: str | None = None
    model_version: int | None = None
    search: str | None = None
    """A part of the subject's pseudonym, or the beginning of the identifier."""


@dataclass(frozen=True)
class MeasurementItem:
    """One completed measurement.

    `head_volume_ml` is the measured volume, None where the verdict is reject; `decision` and `edited_volume_ml` are a
    reader's latest; `valid_volume_ml` is the volume that counts now (see `scans`).
    """

    sequence: int
    id: str
    created_at: datetime
    subject: str | None
    gestational_age_weeks: float | None
    head_volume_ml: float | None
    head_volume_interval_ml: tuple[float, float] | None
    verdict: str
    flags: tuple[str, ...]
    model_version: int
    input_sha256: str | None
    decision: DecisionWord | None
    edited_volume_ml: float | None
    valid_volume_ml: float | None


@dataclass(frozen=True)
class DaySeries:
    """The scans of one subject on one day; the age is the mean of those that are known."""

    day: date
    gestational_age_weeks: float | None
    statistics: Statistics


@dataclass(frozen=True)
class MeasurementSummary:
    """Statistics of all measurements that carry a volume, as the model measured them.

    `reproducibility_sd_ml` is the mean, over the groups of two or more scans that repeat each other (see `scans`), of
    the SD within the group (n - 1); None without such a group.
    """

    overall: Statistics
    by_gestational_week: tuple[tuple[int, Statistics], ...]
    reproducibility_sd_ml: float | None
    reproducibility_groups: int


class Measurements:
    """Queries on completed measurements. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, wanted: MeasurementFilter, limit: int, before: int | None = None) -> list[MeasurementItem]:
        """Return the newest measurements, at most `limit`, older than the sequence number `before`."""
        query = join_reviews(select(Row, DECISION, EDITED_VOLUME, VALID_VOLUME)).where(*_build_conditions(wanted))
        if before is not None:
            query = query.where(Row.sequence < before)
        with reading(self._engine) as session:
            return [_read_item(*found) for found in session.execute(query.order_by(Row.sequence.desc()).limit(limit))]

    def all(
        self, wanted: MeasurementFilter, page_size: int = 500, before: int | None = None
    ) -> Iterator[MeasurementItem]:
        """Yield every measurement, or those before a sequence number, newest first, read page by page."""
        while page := self.page(wanted, page_size, before):
            yield from page
            before = page[-1].sequence

    def summary(self, wanted: MeasurementFilter) -> MeasurementSummary:
        """Return statistics of every measurement that the filter selects, computed in the database."""
        conditions = [*_build_conditions(wanted), Row.head_volume_ml.is_not(None)]
        week = cast(func.floor(Row.gestational_age_weeks), Integer)
        dated = select(week.label("week"), _VOLUME).where(*conditions, Row.gestational_age_weeks.is_not(None))
        groups = sum_by_group(select_scans(_build_conditions(wanted)), *REPEAT)
        with reading(self._engine) as session:
            overall = compute_statistics(session.execute(sum_by_group(select(_VOLUME).where(*conditions))).one())
            weeks = [(int(row[0]), compute_statistics(row[1:])) for row in session.execute(sum_by_group(dated, "week"))]
            spreads = [compute_statistics(row[len(REPEAT) :]).sd_ml for row in session.execute(groups)]
        repeated = [spread for spread in spreads if spread is not None]
        return MeasurementSummary(
            overall=overall,
            by_gestational_week=tuple(weeks),
            reproducibility_sd_ml=fmean(repeated) if repeated else None,
            reproducibility_groups=len(repeated),
        )

    def scans(self, wanted: MeasurementFilter) -> list[Scan]:
        """Return the scans among the measurements, each counted once, oldest first."""
        with reading(self._engine) as session:
            return [read_scan(row) for row in session.execute(select_scans(_build_conditions(wanted)))]

    def repeats(self, wanted: MeasurementFilter, most: int) -> Repeats:
        """Return how far repeated scans differ, with at most so many of the newest pairs."""
        pairs = select_repeated_pairs(_build_conditions(wanted))
        differences = select(pairs.subquery().c.difference_ml.label("volume"))
        with reading(self._engine) as session:
            found = compute_statistics(session.execute(sum_by_group(differences)).one())
            return compute_repeats(session.execute(pairs.limit(most)).all(), found)


def group_by_day(scans: Sequence[Scan]) -> list[DaySeries]:
    """Group one subject's scans by day, oldest first."""
    dated = sorted(scans, key=lambda scan: scan.day)
    return [_summarise_day(day, list(found)) for day, found in groupby(dated, key=lambda scan: scan.day)]


def _summarise_day(day: date, scans: Sequence[Scan]) -> DaySeries:
    ages = [scan.gestational_age_weeks for scan in scans if scan.gestational_age_weeks is not None]
    volumes = [scan.head_volume_ml for scan in scans]
    sd_ml = stdev(volumes) if len(volumes) > 1 else None
    found = Statistics(len(volumes), fmean(volumes), sd_ml, min(volumes), max(volumes))
    return DaySeries(day, fmean(ages) if ages else None, found)


def _build_conditions(wanted: MeasurementFilter) -> list[ColumnElement[bool]]:
    conditions = [Row.status == "completed"]
    if wanted.subject is not None:
        conditions.append(Row.subject == wanted.subject)
    if wanted.since is not None:
        conditions.append(Row.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Row.created_at < wanted.until)
    if wanted.verdict is not None:
        conditions.append(Row.verdict == wanted.verdict)
    if wanted.model_version is not None:
        conditions.append(Row.model_version == wanted.model_version)
    if wanted.search is not None:
        in_subject = Row.subject.icontains(wanted.search, autoescape=True)
        conditions.append(or_(in_subject, Row.id.istartswith(wanted.search, autoescape=True)))
    return conditions


def _read_item(
    row: Row, decision: DecisionWord | None, edited_volume_ml: float | None, valid_volume_ml: float | None
) -> MeasurementItem:
    report = row.report or {}
    interval = report.get("head_volume_interval_ml")
    return MeasurementItem(
        sequence=row.sequence,
        id=row.id,
        created_at=row.created_at,
        subject=row.subject,
        gestational_age_weeks=row.gestational_age_weeks,
        head_volume_ml=row.head_volume_ml,
        head_volume_interval_ml=None if interval is None else (interval[0], interval[1]),
        verdict=row.verdict or "",
        flags=tuple(flag["code"] for flag in report.get("flags", ())),
        model_version=row.model_version,
        input_sha256=report.get("input", {}).get("sha256"),
        decision=decision,
        edited_volume_ml=edited_volume_ml,
        valid_volume_ml=valid_volume_ml,
    )
