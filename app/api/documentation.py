"""Descriptions of the error answers for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fastapi import FastAPI

from app.problems.catalogue import PROBLEMS
from app.problems.problem import MEDIA_TYPE, ProblemError

FOREIGN: Final = ("HTTPValidationError", "ValidationError")
"""Schemas of FastAPI's own errors, which this service never sends."""


def describe_only_own_answers(app: FastAPI) -> None:
    """Remove from the OpenAPI document the 422 that FastAPI adds where none is described."""
    generate = app.openapi

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            _remove_foreign(generate())
        return generate()

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's documented way


def problems(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of an endpoint that may answer with these problems."""
    responses: dict[int | str, dict[str, Any]] = {}
    for kind in (PROBLEMS[code] for code in codes):
        response = responses.setdefault(
            kind.status,
            {
                "description": kind.title,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}},
            },
        )
        example = ProblemError(kind.code).problem.model_dump(mode="json", exclude_none=True)
        response["content"][MEDIA_TYPE]["examples"][kind.code] = {"value": example}
    return responses


def describe_body(media_type: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of an endpoint's description that says what its request holds."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _remove_foreign(document: dict[str, Any]) -> None:
    foreign = {"$ref": f"#/components/schemas/{FOREIGN[0]}"}
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        refused = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
        if refused.get("schema") == foreign:
            del operation["responses"]["422"]
    for name in FOREIGN:
        document["components"]["schemas"].pop(name, None)
