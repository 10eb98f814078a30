"""Descriptions of the error answers for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from app.api.errors import MEDIA_TYPE, problem_body
from app.api.problems import PROBLEMS


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an endpoint that may answer with these problems."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (PROBLEMS[code] for code in codes):
        response = responses.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        example = problem_body(kind, kind.meaning, remedy=kind.remedy)
        response["content"][MEDIA_TYPE]["examples"][kind.code] = {"value": example}
    return responses
