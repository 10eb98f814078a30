"""What pydantic finds wrong with a request, said in words for whoever sent it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BeforeValidator

NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,40}")
PLACES: Final = {"query": "parameter", "path": "parameter", "header": "header", "body": "member"}
BEGINNINGS: Final = ("Value error, ", "Input should be ")
NO_OBJECT: Final = frozenset(("model_attributes_type", "model_type", "dict_type"))
MALFORMED_JSON: Final = "json_invalid"


def complaint(found: Mapping[str, Any]) -> tuple[str, str | None]:
    """What is wrong and what was expected, of one of pydantic's errors; the value itself is never told.

    >>> complaint({"type": "extra_forbidden", "loc": ("query", "colour"), "msg": "Extra inputs are not permitted"})
    ('The parameter colour is not known here.', None)
    """
    kind, place, *path = found["type"], *map(str, found["loc"])
    what = f"The {PLACES.get(place, 'member')} {'.'.join(path)}" if path else "The body"
    if kind in NO_OBJECT:
        return f"{what} is no JSON object.", 'a JSON object, such as {"name": value}, sent as application/json'
    if kind == "extra_forbidden":
        return not_known(place, path[-1]), None
    if kind == "missing":
        return f"{what} is missing.", None
    return f"{what} cannot be used.", readable(str(found["msg"]))


def not_known(place: str, name: str) -> str:
    """That a name is not known; it is repeated where it looks like one of a program's, not of a person's.

    >>> not_known("query", "colour"), not_known("query", "Jane Doe")
    ('The parameter colour is not known here.', 'A parameter is not known here.')
    """
    what = PLACES.get(place, place)
    return f"The {what} {name} is not known here." if NAME.fullmatch(name) else f"A {what} is not known here."


def readable(message: str) -> str:
    """What was expected, without pydantic's way of saying so.

    >>> readable("Input should be less than or equal to 1000"), readable("Value error, a reason is needed")
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
