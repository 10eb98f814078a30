"""What goes wrong, as RFC 9457 `application/problem+json`.

ProblemError            raised within app.api; carries a code of `app.api.problems`
ImagingError            from app.imaging: unreadable 400, too large 413, no volume file 415, not measurable 422
RecordsError            from app.records: unknown 404, key reused 409, damaged 500, database away 503
RequestValidationError  from FastAPI: 422; a body that is no JSON 400
HTTPException           from Starlette: unknown path 404, wrong method 405
OSError                 of a disk that is full, read-only or broken: 503
OutOfMemory             also Python's MemoryError: 503; the next volume may well fit
anything else           500 with an identifier and nothing of the inside
"""

from __future__ import annotations

import errno
import logging
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from app.api.problem_type import ProblemType
from app.api.problems import PROBLEMS
from app.api.validation import MALFORMED_JSON, complaint
from app.imaging.errors import ImagingError, NotAVolumeFile, TooLarge, UnreadableFile
from app.inference.errors import OutOfMemory
from app.monitoring.logs import exception_fields
from app.records.errors import (
    DamagedArtifactError,
    DatabaseUnavailableError,
    KeyReusedError,
    NotEditedError,
    NothingToAcceptError,
    RecordsError,
    UnknownSegmentationError,
)

MEDIA_TYPE = "application/problem+json"
STORAGE_RETRY_S = "60"
MEMORY_RETRY_S = "60"
DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
DATABASE_RETRY_S = "5"
HTTP_CODES = {404: "not_found", 405: "method_not_allowed"}
INTERNAL_CODES = frozenset(("grids_not_aligned", "shape_mismatch"))
"""Imaging errors that no file can cause: they are faults of this program."""
log = logging.getLogger("fetalhead.api")


class ProblemError(Exception):
    """A request that cannot be served; `code` names an entry of `PROBLEMS`, which gives what is left out here."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = PROBLEMS[code]
        super().__init__(code)
        self.kind = kind
        self.headers = dict(headers or {})
        self.body = problem_body(kind, detail or kind.meaning, expected, got, remedy or kind.remedy)


def problem_body(
    kind: ProblemType, detail: str, expected: str | None = None, got: str | None = None, remedy: str | None = None
) -> dict[str, Any]:
    """The members of a problem, without those that are not known."""
    body = {
        "type": f"/problems/{kind.code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "code": kind.code,
        "expected": expected,
        "got": got,
        "remedy": remedy and remedy[0].upper() + remedy[1:],
    }
    return {name: value for name, value in body.items() if value is not None}


def problem_of(error: Exception) -> ProblemError:
    """The problem that an exception amounts to; an unforeseen one is logged and gets an identifier."""
    if isinstance(error, ProblemError):
        return error
    for kind, translate in TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    return _unforeseen(error)


def install_handlers(app: FastAPI) -> None:
    """Has every exception answered as a problem."""
    for kind in (ProblemError, ImagingError, RecordsError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, _handle)


async def _handle(request: Request, error: Exception) -> JSONResponse:
    return problem_response(request, problem_of(error))


def problem_response(request: Request, problem: ProblemError) -> JSONResponse:
    """The answer; also counted as a refusal."""
    metrics = getattr(request.app.state, "metrics", None)
    if metrics is not None:
        metrics.rejected.labels(problem.kind.code).inc()
    return JSONResponse(problem.body, problem.kind.status, headers=problem.headers, media_type=MEDIA_TYPE)


def _imaging_problem(error: ImagingError) -> ProblemError:
    if error.code in INTERNAL_CODES:
        return _unforeseen(error)
    code = error.code if error.code in PROBLEMS else _fallback(error)
    detail = error.detail[:1].upper() + error.detail[1:].removesuffix(".") + "."
    return ProblemError(code, detail, expected=error.expected, got=error.got, remedy=error.remedy)


def _fallback(error: ImagingError) -> str:
    if isinstance(error, UnreadableFile):
        return "unreadable"
    if isinstance(error, NotAVolumeFile):
        return "not_a_volume"
    return "too_large" if isinstance(error, TooLarge) else "not_measurable"


def _validation_problem(error: RequestValidationError) -> ProblemError:
    first = error.errors()[0]
    if first["type"] == MALFORMED_JSON:
        return ProblemError("malformed_json")
    detail, expected = complaint(first)
    return ProblemError("invalid_parameter", detail, expected=expected)


def _http_problem(error: HTTPException) -> ProblemError:
    code = HTTP_CODES.get(error.status_code, "bad_request")
    return ProblemError(code, headers=error.headers)


def _storage_problem(error: OSError) -> ProblemError:
    if error.errno not in DISK_ERRORS:
        return _unforeseen(error)
    log.error("storage unavailable", extra={"fields": {"reason": error.strerror, **exception_fields(error)}})
    return ProblemError("storage_unavailable", headers={"Retry-After": STORAGE_RETRY_S})


def _memory_problem(error: Exception) -> ProblemError:
    log.error("out of memory", extra={"fields": exception_fields(error)})
    return ProblemError("out_of_memory", headers={"Retry-After": MEMORY_RETRY_S})


def _database_problem(error: DatabaseUnavailableError) -> ProblemError:
    log.error("database unavailable", extra={"fields": exception_fields(error.__cause__ or error)})
    return ProblemError("database_unavailable", headers={"Retry-After": DATABASE_RETRY_S})


def _damaged_problem(error: DamagedArtifactError) -> ProblemError:
    return _incident("damaged record", error, "damaged_record", "A stored file is not the one that was written.")


def _unforeseen(error: Exception) -> ProblemError:
    return _incident("unforeseen error", error, "internal", "The service failed.")


def _incident(message: str, error: Exception, code: str, detail: str) -> ProblemError:
    """A fault of the service: logged with what happened, answered with where the log tells of it."""
    incident = uuid.uuid4().hex
    log.error(message, extra={"fields": {"incident": incident, **exception_fields(error)}})
    problem = ProblemError(code, f"{detail} The operator finds the cause under {incident} in its log.")
    problem.body["id"] = incident
    return problem


TRANSLATIONS: dict[type[Exception], Callable[[Any], ProblemError]] = {
    ImagingError: _imaging_problem,
    UnknownSegmentationError: lambda error: ProblemError("unknown_segmentation", str(error)),
    NotEditedError: lambda _: ProblemError("not_edited"),
    NothingToAcceptError: lambda _: ProblemError("nothing_to_accept"),
    KeyReusedError: lambda _: ProblemError("key_reused"),
    DamagedArtifactError: _damaged_problem,
    OSError: _storage_problem,
    OutOfMemory: _memory_problem,
    MemoryError: _memory_problem,
    DatabaseUnavailableError: _database_problem,
    RequestValidationError: _validation_problem,
    HTTPException: _http_problem,
}
