"""Translation of every room's exceptions into problems; `app.api.errors` translates those of HTTP itself.

ProblemError            is one already; carries a code of `app.problems.catalogue`
ImagingError            from app.imaging: unreadable 400, too large 413, no volume file 415, not measurable 422
RecordsError            from app.records: unknown 404, key reused 409, damaged 500, database unavailable 503
OSError                 of a disk that is full, read-only or broken: 503
OutOfMemory             also Python's MemoryError: 503; the next volume may well fit
anything else           500 with an identifier and no internals
"""

from __future__ import annotations

import errno
import logging
import uuid
from collections.abc import Callable
from typing import Any

from app.imaging.errors import ImagingError, NotAVolumeFile, TooLarge, UnreadableFile
from app.inference.errors import OutOfMemory
from app.monitoring.logs import describe_exception
from app.problems.catalogue import PROBLEMS
from app.problems.problem import ProblemError
from app.records.errors import (
    DamagedArtifactError,
    DatabaseUnavailableError,
    KeyReusedError,
    NotEditedError,
    NothingToAcceptError,
    UnknownSegmentationError,
)

STORAGE_RETRY_S = "60"
MEMORY_RETRY_S = "60"
DATABASE_RETRY_S = "5"
DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
INTERNAL_CODES = frozenset(("grids_not_aligned", "shape_mismatch"))
"""Codes of imaging errors that no file can cause: they are faults of this program."""
log = logging.getLogger("fetalhead.problems")


def translate_error(error: Exception) -> ProblemError:
    """Return the problem that stands for an exception; an unforeseen one is logged and gets an identifier."""
    if isinstance(error, ProblemError):
        return error
    for kind, translate in TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    return _report_unforeseen(error)


def _imaging_problem(error: ImagingError) -> ProblemError:
    if error.code in INTERNAL_CODES:
        return _report_unforeseen(error)
    code = error.code if error.code in PROBLEMS else _fallback(error)
    detail = error.detail[:1].upper() + error.detail[1:].removesuffix(".") + "."
    return ProblemError(code, detail, expected=error.expected, got=error.got, remedy=error.remedy)


def _fallback(error: ImagingError) -> str:
    if isinstance(error, UnreadableFile):
        return "unreadable"
    if isinstance(error, NotAVolumeFile):
        return "not_a_volume"
    return "too_large" if isinstance(error, TooLarge) else "not_measurable"


def _storage_problem(error: OSError) -> ProblemError:
    if error.errno not in DISK_ERRORS:
        return _report_unforeseen(error)
    log.error("storage unavailable", extra={"fields": {"reason": error.strerror, **describe_exception(error)}})
    return ProblemError("storage_unavailable", headers={"Retry-After": STORAGE_RETRY_S})


def _memory_problem(error: Exception) -> ProblemError:
    log.error("out of memory", extra={"fields": describe_exception(error)})
    return ProblemError("out_of_memory", headers={"Retry-After": MEMORY_RETRY_S})


def _database_problem(error: DatabaseUnavailableError) -> ProblemError:
    log.error("database unavailable", extra={"fields": describe_exception(error.__cause__ or error)})
    return ProblemError("database_unavailable", headers={"Retry-After": DATABASE_RETRY_S})


def _damaged_problem(error: DamagedArtifactError) -> ProblemError:
    return _incident("damaged record", error, "damaged_record", "A stored file is missing or was altered.")


def _report_unforeseen(error: Exception) -> ProblemError:
    return _incident("unforeseen error", error, "internal", "The service failed.")


def _incident(message: str, error: Exception, code: str, detail: str) -> ProblemError:
    """Log a fault of the service and return a problem that names its place in the log."""
    incident = uuid.uuid4().hex
    log.error(message, extra={"fields": {"incident": incident, **describe_exception(error)}})
    problem = ProblemError(code, f"{detail} The operator finds the cause under {incident} in its log.")
    problem.problem = problem.problem.model_copy(update={"id": incident})
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
}
