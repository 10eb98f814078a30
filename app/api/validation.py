"""Pydantic's validation errors in words for the sender of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
PLACES: Final = {"query": "parameter", "path": "parameter", "header": "header", "body": "member"}
BEGINNINGS: Final = ("Value error, ", "Input should be ")
NO_OBJECT: Final = frozenset(("model_attributes_type", "model_type", "dict_type"))
MALFORMED_JSON: Final = "json_invalid"


def describe_error(found: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return what is wrong and what was expected, from one of pydantic's errors, without the value itself.

    >>> describe_error({"type": "extra_forbidden", "loc": ("query", "colour"), "msg": "Extra inputs are not permitted"})
    ('The parameter colour is not known here.', None)
    """
    kind, place, *path = found["type"], *map(str, found["loc"])
    what = f"The {PLACES.get(place, 'member')} {'.'.join(path)}" if path else "The body"
    if kind in NO_OBJECT:
        return f"{what} is not a JSON object.", 'a JSON object, such as {"name": value}, sent as application/json'
    if kind == "extra_forbidden":
        return describe_unknown(place, path[-1]), None
    if kind == "missing":
        return f"{what} is missing.", None
    return f"{what} cannot be used.", shorten(str(found["msg"]))


def describe_unknown(place: str, name: str) -> str:
    """Return that a name is not known; quote it only if it looks like a program's name, not a person's.

    >>> describe_unknown("query", "colour"), describe_unknown("query", "Jane Doe")
    ('The parameter colour is not known here.', 'A parameter is not known here.')
    """
    what = PLACES.get(place, place)
    return f"The {what} {name} is not known here." if NAME.fullmatch(name) else f"A {what} is not known here."


def shorten(message: str) -> str:
    """Return what was expected, in shorter words than pydantic's.

    >>> shorten("Input should be less than or equal to 1000"), shorten("Value error, a reason is needed")
    ('less than or equal to 1000', 'a reason is needed')
    """
    for beginning in BEGINNINGS:
        message = message.removeprefix(beginning)
    return message.replace("String should have ", "a text of ").replace("String should match pattern", "a text like")


FORM: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)(Z|[+ -]\d\d(?::?\d\d)?)?)?", re.ASCII | re.IGNORECASE
)
EXPECTED: Final = "a date or time of ISO 8601, such as 2026-03-01 or 2026-03-01T09:30:00Z"


def parse_moment(text: str) -> datetime:
    """Return the moment in UTC, also assumed if no zone is named; raise a ValueError.

    A blank before the zone's digits is read as a plus that was not encoded as %2B.

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
