"""Translation of all exceptions into problems; `app.api.errors` translates those of HTTP itself.

ProblemError            already is a problem, with a code of `app.problems.catalogue`
ImagingError            from app.imaging: unreadable 400, too large 413, not a volume file 415, not measurable 422
RecordsError            from app.records: unknown 404, key reused 409, damaged 500, database unavailable 503
OSError                 of a disk that is full, read-only or broken: 503
OutOfMemory             also Python's MemoryError: 503; a smaller volume may fit
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

LATER = {"Retry-After": "60"}
FALLBACKS = {UnreadableFile: "unreadable", NotAVolumeFile: "not_a_volume", TooLarge: "too_large"}
"""Problems of imaging errors whose own code is not in the catalogue."""
DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO))
INTERNAL_CODES = frozenset(("grids_not_aligned", "shape_mismatch"))
"""Codes of imaging errors that no file can cause: they are faults of this program."""
log = logging.getLogger("fetalhead.problems")


def translate_error(error: Exception) -> ProblemError:
    """Return the problem that an exception stands for; an unexpected one is logged under an identifier."""
    if isinstance(error, ProblemError):
        return error
    for kind, translate in TRANSLATIONS.items():
        if isinstance(error, kind):
            return translate(error)
    return _report_fault(error)


def _imaging_problem(error: ImagingError) -> ProblemError:
    if error.code in INTERNAL_CODES:
        return _report_fault(error)
    code = error.code if error.code in PROBLEMS else FALLBACKS.get(type(error), "not_measurable")
    detail = error.detail[:1].upper() + error.detail[1:].removesuffix(".") + "."
    return ProblemError(code, detail, expected=error.expected, got=error.got, remedy=error.remedy)


def _storage_problem(error: OSError) -> ProblemError:
    if error.errno not in DISK_ERRORS:
        return _report_fault(error)
    log.error("storage unavailable", extra={"fields": {"reason": error.strerror, **describe_exception(error)}})
    return ProblemError("storage_unavailable", headers=LATER)


def _memory_problem(error: Exception) -> ProblemError:
    log.error("out of memory", extra={"fields": describe_exception(error)})
    return ProblemError("out_of_memory", headers=LATER)


def _database_problem(error: DatabaseUnavailableError) -> ProblemError:
    log.error("database unavailable", extra={"fields": describe_exception(error.__cause__ or error)})
    return ProblemError("database_unavailable")


def _report_fault(error: Exception, code: str = "internal") -> ProblemError:
    """Log a fault of the service and return a problem with the identifier of its log line."""
    incident, kind = uuid.uuid4().hex, PROBLEMS[code]
    log.error(kind.title.lower(), extra={"fields": {"incident": incident, **describe_exception(error)}})
    problem = ProblemError(code, f"{kind.meaning} The operator finds the cause under {incident} in its log.")
    problem.problem = problem.problem.model_copy(update={"id": incident})
    return problem


TRANSLATIONS: dict[type[Exception], Callable[[Any], ProblemError]] = {
    ImagingError: _imaging_problem,
    UnknownSegmentationError: lambda error: ProblemError("unknown_segmentation", str(error)),
    NotEditedError: lambda _: ProblemError("not_edited"),
    NothingToAcceptError: lambda _: ProblemError("nothing_to_accept"),
    KeyReusedError: lambda _: ProblemError("key_reused"),
    DamagedArtifactError: lambda error: _report_fault(error, "damaged_record"),
    OSError: _storage_problem,
    OutOfMemory: _memory_problem,
    MemoryError: _memory_problem,
    DatabaseUnavailableError: _database_problem,
}
