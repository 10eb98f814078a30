"""Every exception answered as RFC 9457 `application/problem+json`.

RequestValidationError  from FastAPI: 422; a body that is not JSON 400
HTTPException           from Starlette: unknown path 404, wrong method 405
anything else           as `app.problems.translate` has it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api.address import find_root, link_below
from app.api.validation import MALFORMED_JSON, describe_error
from app.imaging.errors import ImagingError
from app.problems.problem import MEDIA_TYPE, ProblemError
from app.problems.translate import translate_error
from app.records.errors import RecordsError

HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}


def install_handlers(app: FastAPI) -> None:
    """Answer every exception as a problem."""
    for kind in (ProblemError, ImagingError, RecordsError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)


def problem_response(request: Request, problem: ProblemError) -> JSONResponse:
    """Return the problem as an answer, and count it as a refusal."""
    metrics = getattr(request.app.state, "metrics", None)
    if metrics is not None:
        metrics.rejected.labels(problem.kind.code).inc()
    body = link_below(find_root(request), problem.problem.model_dump(mode="json", exclude_none=True))
    return JSONResponse(body, problem.kind.status, headers=problem.headers, media_type=MEDIA_TYPE)


async def _handle(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, RequestValidationError):
        problem = validation_problem(error.errors()[0])
    elif isinstance(error, HTTPException):
        problem = ProblemError(HTTP_CODES.get(error.status_code, "bad_request"), headers=error.headers)
    else:
        problem = translate_error(error)
    return problem_response(request, problem)


def validation_problem(found: Mapping[str, Any], code: str = "invalid_parameter") -> ProblemError:
    """Return the problem that one of pydantic's errors stands for: `malformed_json`, or else the given one."""
    if found["type"] == MALFORMED_JSON:
        return ProblemError("malformed_json")
    detail, expected = describe_error(found)
    return ProblemError(code, detail, expected=expected)
