"""GET /volume: the measured head volumes, as pages with a summary, or as a table."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field, field_validator

from app.api.address import Root, link_below
from app.api.answers import JSON
from app.api.documentation import problems
from app.api.negotiation import preferred_type
from app.api.state import State
from app.api.validation import parse_moment
from app.contract.volumes import MeasurementFilter, VolumeItem, VolumePage
from app.problems.problem import ProblemError
from app.service.state import ServiceState

router = APIRouter(tags=["measurements"])
CSV = "text/csv"
OFFERS = (JSON, CSV)
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
    "outdated",
)


class VolumeQuery(MeasurementFilter):
    """Which measurements, and how many at a time."""

    limit: int = Field(100, ge=1, le=1000, description="Items of one page; text/csv gives all where this is left out.")
    cursor: str | None = Field(None, max_length=64, description="`next` of the page before.")
    repeats: bool = Field(False, description="Give the pairs of repeated scans too, as with the filter subject.")

    @property
    def rows(self) -> int | None:
        """The number of rows of the table, or None for all."""
        return self.limit if "limit" in self.model_fields_set else None

    @field_validator("since", "until", mode="before")
    @classmethod
    def _parse_moment(cls, value: str | None) -> datetime | None:
        return None if value is None else parse_moment(value)


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
    root: Root,
    query: Annotated[VolumeQuery, Query()],
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
) -> Response:
    """Return the measured head volumes, newest first, with statistics over all that match the filters.

    Count, mean and spread describe the model's volumes of all measurements. A subject's series and scans, and the
    statistics of repeated scans, count each scan once, with the volume that is valid now.
    """
    chosen = preferred_type(accept, OFFERS)
    if chosen is None:
        raise ProblemError("not_acceptable", expected=", ".join(OFFERS))
    if chosen == CSV:
        headers = {"Content-Disposition": 'attachment; filename="head-volumes.csv"'}
        lines = _table(state, query)
        beginning = await run_in_threadpool(next, lines)  # an error here can still be answered with its own status
        return StreamingResponse(chain([beginning], lines), media_type=CSV, headers=headers)
    page = await run_in_threadpool(_page, state, query)
    return JSONResponse(link_below(root, page.model_dump(mode="json")))


def _page(state: ServiceState, query: VolumeQuery) -> VolumePage:
    page = state.records.measurements.page(query, query.limit, _sequence(query.cursor))
    most_pairs = MOST_PAIRS if query.subject is not None or query.repeats else None
    summary = state.records.measurements.summary(query, most_pairs)
    return VolumePage(items=page.items, summary=summary, next=page.following and _cursor(page.following))


def _table(state: ServiceState, query: VolumeQuery) -> Iterator[str]:
    """Yield the table in pieces: the header with the first rows, then the others."""
    items = state.records.measurements.all(query, ROWS_AT_ONCE, _sequence(query.cursor))
    rows = (_row(item) for item in islice(items, query.rows))
    yield _lines([COLUMNS, *islice(rows, ROWS_AT_ONCE)])
    while piece := list(islice(rows, ROWS_AT_ONCE)):
        yield _lines(piece)


def _row(item: VolumeItem) -> tuple[Any, ...]:
    low, high = item.head_volume_interval_ml or (None, None)
    ends = {"head_volume_low_ml": low, "head_volume_high_ml": high, "flags": " ".join(item.flags)}
    cells = item.model_dump(mode="json") | ends
    return tuple(cells[column] for column in COLUMNS)


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
