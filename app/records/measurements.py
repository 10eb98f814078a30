"""Queries on completed measurements: filtered, paged and summarised."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from statistics import fmean, stdev
from typing import Any

from sqlalchemy import ColumnElement, Engine, Integer, Select, SelectBase, cast, func, or_, select

from app.contract.report import Report, segmentation_path
from app.contract.review import DecisionWord
from app.contract.volumes import (
    DayStatistics,
    MeasurementFilter,
    Repeats,
    Scan,
    Statistics,
    VolumeItem,
    VolumeSummary,
    WeekStatistics,
)
from app.records.database import reading
from app.records.scans import (
    DECISION,
    EDITED_VOLUME,
    OUTDATED,
    REPEAT,
    VALID_VOLUME,
    compute_repeats,
    join_reviews,
    read_scan,
    select_repeated_pairs,
    select_scans,
)
from app.records.tables import SegmentationRow as Row

OF_THE_ROW = ("id", "created_at", "subject", "gestational_age_weeks", "head_volume_ml", "model_version")
_VOLUME = Row.head_volume_ml.label("volume")


@dataclass(frozen=True)
class ItemPage:
    """Measurements, newest first; `following` is the sequence number before which the next page begins, if any."""

    items: tuple[VolumeItem, ...]
    following: int | None


class Measurements:
    """Queries on completed measurements. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(self, wanted: MeasurementFilter, limit: int, before: int | None = None) -> ItemPage:
        """Return the newest measurements, at most `limit`, older than the sequence number `before`."""
        query = join_reviews(select(Row, DECISION, OUTDATED, EDITED_VOLUME, VALID_VOLUME)).where(
            *_build_conditions(wanted)
        )
        if before is not None:
            query = query.where(Row.sequence < before)
        with reading(self._engine) as session:
            found = session.execute(query.order_by(Row.sequence.desc()).limit(limit + 1)).all()
            items = tuple(_read_item(*row) for row in found[:limit])
        return ItemPage(items, found[limit - 1][0].sequence if len(found) > limit else None)

    def all(self, wanted: MeasurementFilter, page_size: int = 500, before: int | None = None) -> Iterator[VolumeItem]:
        """Yield every measurement, or those before a sequence number, newest first, read page by page."""
        page = self.page(wanted, page_size, before)
        yield from page.items
        while page.following is not None:
            page = self.page(wanted, page_size, page.following)
            yield from page.items

    def summary(self, wanted: MeasurementFilter, most_pairs: int | None = None) -> VolumeSummary:
        """Return statistics of every measurement that the filter selects, computed in the database.

        Count, mean and spread are of volumes as the model measured them. A filter that names a subject adds its scans,
        `most_pairs` adds so many of the newest repeated scans.
        """
        conditions = [*_build_conditions(wanted), Row.head_volume_ml.is_not(None)]
        week = cast(func.floor(Row.gestational_age_weeks), Integer)
        dated = select(week.label("week"), _VOLUME).where(*conditions, Row.gestational_age_weeks.is_not(None))
        groups = sum_by_group(select_scans(_build_conditions(wanted)), *REPEAT)
        with reading(self._engine) as session:
            overall = compute_statistics(session.execute(sum_by_group(select(_VOLUME).where(*conditions))).one())
            weeks = [(int(row[0]), compute_statistics(row[1:])) for row in session.execute(sum_by_group(dated, "week"))]
            spreads = [compute_statistics(row[len(REPEAT) :]).sd_ml for row in session.execute(groups)]
        repeated = [spread for spread in spreads if spread is not None]
        scans = None if wanted.subject is None else self.scans(wanted)
        return VolumeSummary(
            **dict(overall),
            by_gestational_week=tuple(WeekStatistics(week=number, **dict(found)) for number, found in weeks),
            reproducibility_sd_ml=fmean(repeated) if repeated else None,
            reproducibility_groups=len(repeated),
            series=None if scans is None else tuple(group_by_day(scans)),
            scans=None if scans is None else tuple(scans),
            repeats=None if most_pairs is None else self.repeats(wanted, most_pairs),
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


def group_by_day(scans: Sequence[Scan]) -> list[DayStatistics]:
    """Group one subject's scans by day, oldest first."""
    dated = sorted(scans, key=lambda scan: scan.day)
    return [_summarise_day(day, list(found)) for day, found in groupby(dated, key=lambda scan: scan.day)]


def sum_by_group(values: SelectBase, *keys: str) -> Select[Any]:
    """Select the keys and what `compute_statistics` needs, for each group of the column `volume`."""
    found = values.subquery()
    groups = [found.c[key] for key in keys]
    mean = func.avg(found.c.volume).over(partition_by=groups or None)
    centred = select(*groups, found.c.volume, (found.c.volume - mean).label("deviation")).subquery()
    volume, deviation = centred.c.volume, centred.c.deviation
    own = [centred.c[key] for key in keys]
    sums = (func.count(volume), func.avg(volume), func.sum(deviation * deviation), func.min(volume), func.max(volume))
    return select(*own, *sums).group_by(*own).order_by(*own)


def compute_statistics(sums: Sequence[Any]) -> Statistics:
    """Return the statistics of a count, mean, sum of squared deviations from that mean, least and greatest."""
    count, mean, squares, least, greatest = sums
    if not count:
        return Statistics(count=0, mean_ml=None, sd_ml=None, min_ml=None, max_ml=None)
    sd = math.sqrt(squares / (count - 1)) if count > 1 else None
    return Statistics(count=count, mean_ml=mean, sd_ml=sd, min_ml=least, max_ml=greatest)


def _summarise_day(day: date, scans: Sequence[Scan]) -> DayStatistics:
    ages = [scan.gestational_age_weeks for scan in scans if scan.gestational_age_weeks is not None]
    volumes = [scan.head_volume_ml for scan in scans]
    return DayStatistics(
        day=day,
        gestational_age_weeks=fmean(ages) if ages else None,
        count=len(volumes),
        mean_ml=fmean(volumes),
        sd_ml=stdev(volumes) if len(volumes) > 1 else None,
        min_ml=min(volumes),
        max_ml=max(volumes),
    )


def _build_conditions(wanted: MeasurementFilter) -> list[ColumnElement[bool]]:
    exact = ((Row.subject, wanted.subject), (Row.verdict, wanted.verdict), (Row.model_version, wanted.model_version))
    conditions = [Row.status == "completed", *(column == value for column, value in exact if value is not None)]
    if wanted.since is not None:
        conditions.append(Row.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(Row.created_at < wanted.until)
    if wanted.search:
        in_subject = Row.subject.icontains(wanted.search, autoescape=True)
        conditions.append(or_(in_subject, Row.id.istartswith(wanted.search, autoescape=True)))
    return conditions


def _read_item(
    row: Row,
    decision: DecisionWord | None,
    outdated: bool,
    edited_volume_ml: float | None,
    valid_volume_ml: float | None,
) -> VolumeItem:
    report = Report.model_validate(row.report, extra="ignore")
    return VolumeItem(
        **{name: getattr(row, name) for name in OF_THE_ROW},
        head_volume_interval_ml=report.head_volume_interval_ml,
        verdict=report.verdict,
        flags=tuple(flag.code for flag in report.flags),
        decision=decision,
        outdated=outdated,
        edited_volume_ml=edited_volume_ml,
        valid_volume_ml=valid_volume_ml,
        input_sha256=report.input.sha256,
        href=segmentation_path(row.id),
    )
