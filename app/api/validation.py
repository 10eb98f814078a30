"""What pydantic finds wrong with a request, said in words for whoever sent it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

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
