"""What pydantic finds wrong with a request, said in words for whoever sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
        return f"{what} is not known here.", None
    if kind == "missing":
        return f"{what} is missing.", None
    return f"{what} cannot be used.", readable(str(found["msg"]))


def readable(message: str) -> str:
    """What was expected, without pydantic's way of saying so.

    >>> readable("Input should be less than or equal to 1000"), readable("Value error, a reason is needed")
    ('less than or equal to 1000', 'a reason is needed')
    """
    for beginning in BEGINNINGS:
        message = message.removeprefix(beginning)
    return message.replace("String should have ", "a text of ").replace("String should match pattern", "a text like")
