"""Every exception answered as RFC 9457 `application/problem+json`.

RequestValidationError  from FastAPI: 422; a body that is not JSON 400
HTTPException           from Starlette: unknown path 404, wrong method 405
anything else           as `app.problems.translate` has it
"""

from __future__ import annotations

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
    return problem_response(request, _problem_of(error))


def _problem_of(error: Exception) -> ProblemError:
    if isinstance(error, RequestValidationError):
        return _validation_problem(error)
    return _http_problem(error) if isinstance(error, HTTPException) else translate_error(error)


def _validation_problem(error: RequestValidationError) -> ProblemError:
    first = error.errors()[0]
    if first["type"] == MALFORMED_JSON:
        return ProblemError("malformed_json")
    detail, expected = describe_error(first)
    return ProblemError("invalid_parameter", detail, expected=expected)


def _http_problem(error: HTTPException) -> ProblemError:
    code = HTTP_CODES.get(error.status_code, "bad_request")
    return ProblemError(code, headers=error.headers)
