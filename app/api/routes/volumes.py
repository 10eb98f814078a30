"""GET /volume: the measured head volumes, as pages with a summary, or as a table."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import chain, islice
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from app.api.answers import JSON, location
from app.api.documentation import problems
from app.api.negotiation import preferred_type
from app.api.validation import Moment
from app.contract.upload import Subject
from app.contract.volumes import (
    DayStatistics,
    RepeatsAnswer,
    ScanAnswer,
    VolumeItem,
    VolumePage,
    VolumeSummary,
    WeekStatistics,
)
from app.problems.problem import ProblemError
from app.records.measurements import DaySeries, MeasurementFilter, MeasurementItem, MeasurementSummary, group_by_day
from app.records.scans import Repeats, Scan
from app.service.state import ServiceState, State

router = APIRouter(tags=["measurements"])
CSV = "text/csv"
OFFERS = (JSON, CSV)
WEEK_DECIMALS = 3
ROWS_AT_ONCE = 500
MOST_PAIRS = 1000
COLUMNS = (
    "id",
    "created_at",
    "subject",
    "gestational_age_weeks",
    "head_volume_ml",
    "head_volume_low_ml",
    "head_volume_high_ml",
    "verdict",
    "flags",
    "model_version",
    "decision",
    "edited_volume_ml",
    "input_sha256",
    "valid_volume_ml",
)


class VolumeQuery(BaseModel):
    """Which measurements, and how many at a time."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: Subject | None = Field(None, description="Pseudonym.")
    since: Moment | None = Field(None, description="Measured at this moment or later (UTC where it names no zone).")
    until: Moment | None = Field(None, description="Measured before this moment.")
    verdict: Literal["ok", "review", "reject"] | None = None
    model_version: int | None = Field(None, ge=1, le=2**31 - 1)
    search: str | None = Field(
        None, max_length=64, description="Part of a pseudonym, or the beginning of an identifier; case does not matter."
    )
    limit: int = Field(100, ge=1, le=1000, description="Items of one page; text/csv gives all where this is left out.")
    cursor: str | None = Field(None, max_length=64, description="`next` of the page before.")
    repeats: bool = Field(False, description="Give the pairs of repeated scans too, as with the filter subject.")

    @property
    def rows(self) -> int | None:
        """Of the table, None for all."""
        return self.limit if "limit" in self.model_fields_set else None

    def wanted(self) -> MeasurementFilter:
        """The filter."""
        return MeasurementFilter(
            subject=self.subject,
            since=self.since,
            until=self.until,
            verdict=self.verdict,
            model_version=self.model_version,
            search=self.search or None,
        )


@router.get(
    "/volume",
    summary="Measured head volumes",
    response_model=None,
    responses={
        200: {
            "model": VolumePage,
            "content": {CSV: {"schema": {"type": "string"}}},
            "description": "The measurements.",
        },
        **problems("not_acceptable", "invalid_parameter", "database_unavailable"),
    },
)
async def get_volume(
    state: State,
    query: Annotated[VolumeQuery, Query()],
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """The measured head volumes, newest first, with statistics over all that the filters let through.

    Count, mean and spread are of what the model measured, over every measurement. A subject's series and scans, and all
    that is told of repeated scans, count each scan once, by the volume that is valid now.
    """
    chosen = preferred_type(accept, OFFERS)
    if chosen is None:
        raise ProblemError("not_acceptable", expected=", ".join(OFFERS))
    if chosen == CSV:
        headers = {"Content-Disposition": 'attachment; filename="head-volumes.csv"'}
        lines = _table(state, query)
        beginning = await run_in_threadpool(next, lines)  # what goes wrong here can still be told with its own status
        return StreamingResponse(chain([beginning], lines), media_type=CSV, headers=headers)
    page = await run_in_threadpool(_page, state, query)
    return JSONResponse(page.model_dump(mode="json"))


def _page(state: ServiceState, query: VolumeQuery) -> VolumePage:
    wanted = query.wanted()
    found = state.measurements.page(wanted, query.limit + 1, _sequence(query.cursor))
    items = found[: query.limit]
    of_one = wanted.subject is not None
    return VolumePage(
        items=tuple(_item(item) for item in items),
        summary=_summary(
            state.measurements.summary(wanted),
            state.measurements.scans(wanted) if of_one else None,
            state.measurements.repeats(wanted, MOST_PAIRS) if of_one or query.repeats else None,
        ),
        next=_cursor(items[-1].sequence) if len(found) > query.limit else None,
    )


def _item(item: MeasurementItem) -> VolumeItem:
    content = asdict(item)
    del content["sequence"]
    return VolumeItem(**content, href=location(item.id))


def _summary(summary: MeasurementSummary, scans: list[Scan] | None, repeats: Repeats | None) -> VolumeSummary:
    weeks = tuple(WeekStatistics(week=week, **asdict(found)) for week, found in summary.by_gestational_week)
    return VolumeSummary(
        **asdict(summary.overall),
        by_gestational_week=weeks,
        reproducibility_sd_ml=summary.reproducibility_sd_ml,
        reproducibility_groups=summary.reproducibility_groups,
        series=None if scans is None else tuple(_day(day) for day in group_by_day(scans)),
        scans=None if scans is None else tuple(ScanAnswer(**asdict(scan)) for scan in scans),
        repeats=None if repeats is None else RepeatsAnswer(**asdict(repeats)),
    )


def _day(day: DaySeries) -> DayStatistics:
    weeks = None if day.gestational_age_weeks is None else round(day.gestational_age_weeks, WEEK_DECIMALS)
    return DayStatistics(day=day.day, gestational_age_weeks=weeks, **asdict(day.statistics))


def _table(state: ServiceState, query: VolumeQuery) -> Iterator[str]:
    """The table in pieces: the header with the first rows, then the others."""
    items = state.measurements.all(query.wanted(), ROWS_AT_ONCE, _sequence(query.cursor))
    rows = (_row(item) for item in islice(items, query.rows))
    yield _lines([COLUMNS, *islice(rows, ROWS_AT_ONCE)])
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        yield _lines(piece)


def _row(item: MeasurementItem) -> tuple[Any, ...]:
    low, high = item.head_volume_interval_ml or (None, None)
    return (
        item.id,
        item.created_at.isoformat().replace("+00:00", "Z"),
        item.subject,
        item.gestational_age_weeks,
        item.head_volume_ml,
        low,
        high,
        item.verdict,
        " ".join(item.flags),
        item.model_version,
        item.decision,
        item.edited_volume_ml,
        item.input_sha256,
        item.valid_volume_ml,
    )


def _lines(rows: Iterable[tuple[Any, ...]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(["" if value is None else value for value in row] for row in rows)
    return text.getvalue()


def _cursor(sequence: int) -> str:
    return base64.urlsafe_b64encode(f"before {sequence}".encode()).decode()


def _sequence(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    try:
        word, number = base64.urlsafe_b64decode(cursor.encode()).decode().split(" ")
        if word != "before" or not 0 < int(number) < 2**62:
            raise ValueError(word)
        return int(number)
    except ValueError as error:
        raise ProblemError(
            "invalid_parameter", "The parameter cursor cannot be used.", expected="the member next of a page"
        ) from error
