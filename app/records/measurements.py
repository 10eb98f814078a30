"""The completed measurements as a table: filtered, paged and summarised."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, Select, cast, func, or_, select

from app.records.database import reading
from app.records.tables import SegmentationRow as Row


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

    `reproducibility_sd_ml` is the mean, over the groups of two or more volumes of one subject on one day, of the SD
    within the group (n - 1); None without such a group.
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

    def all(self, wanted: MeasurementFilter, page_size: int = 500) -> Iterator[MeasurementItem]:
        """Every measurement, newest first, read page by page."""
        before: int | None = None
        while page := self.page(wanted, page_size, before):
            yield from page
            before = page[-1].sequence

    def summary(self, wanted: MeasurementFilter) -> Summary:
        """Statistics over every measurement the filter lets through, computed in the database."""
        conditions = [*_conditions(wanted), Row.head_volume_ml.is_not(None)]
        week = cast(func.floor(Row.gestational_age_weeks), Integer)
        with reading(self._engine) as session:
            overall = session.execute(select(*_sums()).where(*conditions)).one()
            weeks = session.execute(
                select(week, *_sums())
                .where(*conditions, Row.gestational_age_weeks.is_not(None))
                .group_by(week)
                .order_by(week)
            ).all()
            spreads = [_statistics(group).sd_ml for group in session.execute(_repeats(conditions))]
        known = [spread for spread in spreads if spread is not None]
        return Summary(
            overall=_statistics(overall),
            by_gestational_week=tuple((int(row[0]), _statistics(row[1:])) for row in weeks),
            reproducibility_sd_ml=math.fsum(known) / len(known) if known else None,
            reproducibility_groups=len(known),
        )

    def series(self, wanted: MeasurementFilter) -> list[DaySeries]:
        """The days on which a subject was measured, oldest first."""
        query = (
            select(Row.created_day, func.avg(Row.gestational_age_weeks), *_sums())
            .where(*_conditions(wanted), Row.head_volume_ml.is_not(None))
            .group_by(Row.created_day)
            .order_by(Row.created_day)
        )
        with reading(self._engine) as session:
            return [DaySeries(row[0], row[1], _statistics(row[2:])) for row in session.execute(query)]


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


def _sums() -> tuple[ColumnElement[Any], ...]:
    volume = Row.head_volume_ml
    return func.count(volume), func.sum(volume), func.sum(volume * volume), func.min(volume), func.max(volume)


def _repeats(conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    return (
        select(*_sums())
        .where(*conditions, Row.subject.is_not(None))
        .group_by(Row.subject, Row.created_day)
        .having(func.count(Row.head_volume_ml) > 1)
    )


def _statistics(sums: Sequence[Any]) -> Statistics:
    count, total, squares, least, greatest = sums
    if not count:
        return Statistics(0, None, None, None, None)
    mean = total / count
    spread = math.sqrt(max(0.0, squares - count * mean * mean) / (count - 1)) if count > 1 else None
    return Statistics(count, mean, spread, least, greatest)


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
    )
