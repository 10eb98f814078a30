"""Moments as clients send them in a query: dates and times of ISO 8601, and nothing that only looks like one."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

FORM: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+ -]\d\d(?::?\d\d)?)?)?", re.ASCII | re.IGNORECASE
)
EXPECTED: Final = "a date or time of ISO 8601, such as 2026-03-01 or 2026-03-01T09:30:00Z"


def parse_moment(text: str) -> datetime:
    """The moment in UTC, which is also meant where no zone is named; or a ValueError.

    A blank before the zone's digits is a plus that was not written as %2B.

    >>> parse_moment("2026-03-01T09:30:00 01:00").isoformat()
    '2026-03-01T08:30:00+00:00'
    """
    found = FORM.fullmatch(text.strip())
    if found is None:
        raise ValueError(EXPECTED)
    day, time, zone = found.groups()
    try:
        moment = datetime.fromisoformat(f"{day}T{time or '00:00'}{(zone or 'Z').upper().replace(' ', '+')}")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{EXPECTED}, of the years 1 to 9999 in UTC") from error


def _parsed(value: Any) -> Any:
    return parse_moment(value) if isinstance(value, str) else value


Moment = Annotated[datetime, BeforeValidator(_parsed)]
