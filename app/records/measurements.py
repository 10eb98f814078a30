"""The completed measurements as a table: filtered, paged and summarised."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from statistics import fmean
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, Select, SelectBase, cast, func, or_, select

from app.records.database import reading
from app.records.tables import SegmentationRow as Row

REPEAT = ("subject", "created_day", "gestational_age_weeks")
"""What scans of which one repeats the other have in common."""
_VOLUME = Row.head_volume_ml.label("volume")
_INPUT = Row.report["input"]["sha256"].as_string()


@dataclass(frozen=True)
class MeasurementFilter:
    """Which measurements are meant; None is no limit. `since` is inclusive, `until` exclusive."""

    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    verdict: str | None = None
    model_version: int | None = None
    search: str | None = None
    """A part of the subject's pseudonym, or the beginning of the identifier."""


@dataclass(frozen=True)
class MeasurementItem:
    """One completed measurement; `head_volume_ml` is None where the verdict is reject."""

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


@dataclass(frozen=True)
class Statistics:
    """Count, mean, standard deviation (n - 1), least and greatest, in mL; None where there are too few."""

    count: int
    mean_ml: float | None
    sd_ml: float | None
    min_ml: float | None
    max_ml: float | None


@dataclass(frozen=True)
class DaySeries:
    """The measurements of one subject on one day."""

    day: date
    gestational_age_weeks: float | None
    statistics: Statistics


@dataclass(frozen=True)
class Summary:
    """Statistics of all measurements that carry a volume.

    `reproducibility_sd_ml` is the mean, over the groups of two or more scans of one subject on one day and of one
    gestational age (or none), of the SD within the group (n - 1); None without such a group. A file that was measured
    more than once is one scan, with the mean of its volumes.
    """

    overall: Statistics
    by_gestational_week: tuple[tuple[int, Statistics], ...]
    reproducibility_sd_ml: float | None
    reproducibility_groups: int


class Measurements:
    """Reading of completed measurements. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, wanted: MeasurementFilter, limit: int, before: int | None = None) -> list[MeasurementItem]:
        """The newest measurements, at most `limit`, older than the sequence number `before`."""
        query = select(Row).where(*_conditions(wanted)).order_by(Row.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(Row.sequence < before)
        with reading(self._engine) as session:
            return [_item(row) for row in session.scalars(query)]

    def all(
        self, wanted: MeasurementFilter, page_size: int = 500, before: int | None = None
    ) -> Iterator[MeasurementItem]:
        """Every measurement, or those before a place in the sequence, newest first, read page by page."""
        while page := self.page(wanted, page_size, before):
            yield from page
            before = page[-1].sequence

    def summary(self, wanted: MeasurementFilter) -> Summary:
        """Statistics over every measurement the filter lets through, computed in the database."""
        conditions = [*_conditions(wanted), Row.head_volume_ml.is_not(None)]
        week = cast(func.floor(Row.gestational_age_weeks), Integer)
        dated = select(week.label("week"), _VOLUME).where(*conditions, Row.gestational_age_weeks.is_not(None))
        with reading(self._engine) as session:
            overall = _statistics(session.execute(_spread(select(_VOLUME).where(*conditions))).one())
            weeks = [(int(row[0]), _statistics(row[1:])) for row in session.execute(_spread(dated, "week"))]
            groups = session.execute(_spread(_scans(conditions), *REPEAT))
            spreads = [
                spread for spread in (_statistics(row[len(REPEAT) :]).sd_ml for row in groups) if spread is not None
            ]
        return Summary(
            overall=overall,
            by_gestational_week=tuple(weeks),
            reproducibility_sd_ml=fmean(spreads) if spreads else None,
            reproducibility_groups=len(spreads),
        )

    def series(self, wanted: MeasurementFilter) -> list[DaySeries]:
        """The days on which a subject was measured, oldest first."""
        conditions = [*_conditions(wanted), Row.head_volume_ml.is_not(None)]
        days = select(Row.created_day, _VOLUME).where(*conditions)
        ages = select(Row.created_day, func.avg(Row.gestational_age_weeks)).where(*conditions).group_by(Row.created_day)
        with reading(self._engine) as session:
            weeks = {row[0]: row[1] for row in session.execute(ages)}
            found = session.execute(_spread(days, "created_day"))
            return [DaySeries(row[0], weeks.get(row[0]), _statistics(row[1:])) for row in found]


def _conditions(wanted: MeasurementFilter) -> list[ColumnElement[bool]]:
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


def _spread(volumes: SelectBase, *keys: str) -> Select[Any]:
    """Keys, count, mean, sum of squared deviations from that mean, least and greatest of each group of volumes."""
    found = volumes.subquery()
    groups = [found.c[key] for key in keys]
    mean = func.avg(found.c.volume).over(partition_by=groups or None)
    centred = select(*groups, found.c.volume, (found.c.volume - mean).label("deviation")).subquery()
    volume, deviation = centred.c.volume, centred.c.deviation
    own = [centred.c[key] for key in keys]
    sums = (func.count(volume), func.avg(volume), func.sum(deviation * deviation), func.min(volume), func.max(volume))
    return select(*own, *sums).group_by(*own).order_by(*own)


def _scans(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """One volume of each file, with what repeats have in common."""
    shared = [getattr(Row, name) for name in REPEAT]
    several = func.count().over(partition_by=shared).label("several")
    counted = select(Row.sequence, several).where(*conditions, Row.subject.is_not(None)).subquery()
    mean = func.avg(Row.head_volume_ml).label("volume")
    repeats = select(*shared, mean).join(counted, counted.c.sequence == Row.sequence).where(counted.c.several > 1)
    return repeats.group_by(*shared, _INPUT)


def _statistics(sums: Sequence[Any]) -> Statistics:
    count, mean, squares, least, greatest = sums
    if not count:
        return Statistics(0, None, None, None, None)
    return Statistics(count, mean, math.sqrt(squares / (count - 1)) if count > 1 else None, least, greatest)


def _item(row: Row) -> MeasurementItem:
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
    )
