"""A run over a batch in order: files are read and decoded ahead, and a case that fails does not stop the others."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from app.batch.cases import Case
from app.batch.engines import BatchEngine, Work
from app.batch.results import BatchResult, CaseError, CaseProblem, CaseReport
from app.batch.written import PAGE, check_targets, read_whole, write_case
from app.contract.report import MASK, PREVIEW, Measurement, Report
from app.contract.upload import SPACING_SUPPLIED, SPACING_SUSPICIOUS, SPACING_TOLERANCE, Spacing, Upload, VolumeFields
from app.problems.translate import translate_error

REMEDIES: Final = {
    "no_spacing": "Write the spacing into the file's header, or give it: --spacing-mm X,Y,Z, in mm.",
    "spacing_contradicts_file": "Leave out --spacing-mm for this file, or correct its header.",
}
"""Remedies for users of the command; the catalogue's are for senders of requests."""
ROUNDING_MM: Final = 1e-8


@dataclass(frozen=True)
class BatchOptions:
    """Options of a batch."""

    fields: VolumeFields = field(default_factory=VolumeFields)
    resume: bool = True
    jobs: int = 2
    pdf: bool = False


@dataclass(frozen=True)
class Prepared:
    """A case that was read, and the rest of the work on it."""

    upload: Upload
    work: Work


def run_batch(cases: Sequence[Case], output: Path, engine: BatchEngine, options: BatchOptions) -> Iterator[BatchResult]:
    """Measure each case and write its files below `output`; at most `options.jobs` are prepared ahead."""
    waiting: deque[tuple[Case, Future[Prepared | BatchResult]]] = deque()
    left = iter(cases)
    pool = ThreadPoolExecutor(options.jobs, "case")
    try:
        while True:
            while len(waiting) < options.jobs and (case := next(left, None)) is not None:
                waiting.append((case, pool.submit(_prepare, case, output, engine, options)))
            if not waiting:
                return
            yield _finish(*waiting.popleft(), output, options)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def measure_one(case: Case, engine: BatchEngine, options: BatchOptions) -> BatchResult:
    """Measure one case without writing anything."""
    try:
        measured = engine.prepare(_read(case, options))()
        return BatchResult(case, measured.report, "measured", measured.files)
    except Exception as error:
        return BatchResult(case, _describe_failure(error), "failed")


def _prepare(case: Case, output: Path, engine: BatchEngine, options: BatchOptions) -> Prepared | BatchResult:
    upload = _read(case, options)
    earlier = _find_earlier(case, upload, output, engine, options) if options.resume else None
    if earlier is not None:
        return BatchResult(case, earlier, "kept")
    check_targets(case, upload, output, options.pdf)
    return Prepared(upload, engine.prepare(upload))


def _read(case: Case, options: BatchOptions) -> Upload:
    if case.fault is not None:
        raise CaseError(CaseProblem(code="file_not_read", detail=case.fault))
    return Upload(case.path.read_bytes(), options.fields if case.fields is None else case.fields)


def _finish(case: Case, future: Future[Prepared | BatchResult], output: Path, options: BatchOptions) -> BatchResult:
    """Measure and write a prepared case; an error becomes its result, so that the next one is measured."""
    try:
        prepared = future.result()
        if isinstance(prepared, BatchResult):
            return prepared
        measured = _draw_page(prepared.work()) if options.pdf else prepared.work()
        return BatchResult(case, _write(case, prepared.upload, measured, output), "measured")
    except Exception as error:
        return BatchResult(case, _describe_failure(error), "failed")


def _draw_page(measured: Measurement) -> Measurement:
    from app.pictures.pdf import draw_report  # noqa: PLC0415  # its libraries are an extra

    page = draw_report(measured.report, measured.files[MASK], measured.files[PREVIEW])
    return replace(measured, files={**measured.files, PAGE: page})


def _write(case: Case, upload: Upload, measured: Measurement, output: Path) -> CaseReport:
    try:
        return write_case(case, upload, measured, output)
    except OSError as error:
        detail = f"Its results cannot be written: {error.strerror or error}."
        raise CaseError(CaseProblem(code="file_not_written", detail=detail)) from error


def _find_earlier(
    case: Case, upload: Upload, output: Path, engine: BatchEngine, options: BatchOptions
) -> Report | None:
    """Return the report of an earlier run with the same file, model, subject, age and spacing, if its files are whole.

    A report that cannot be read, or that another version wrote differently, is ignored.
    """
    report = read_whole(case.report_path(output))
    if report is None or (options.pdf and report.report is None):
        return None
    fields = upload.fields
    wanted = (upload.sha256, engine.model_sha256, fields.subject, fields.gestational_age_weeks)
    alike = wanted == (report.input.sha256, report.model.sha256, report.subject, report.gestational_age_weeks)
    return report if alike and _has_spacing(report, fields.spacing_mm) else None


def _has_spacing(report: Report, supplied: Spacing | None) -> bool:
    """Return whether a report was made with the spacing that is supplied now, or without one."""
    codes = {flag.code for flag in report.flags}
    was_supplied = SPACING_SUPPLIED in codes
    if supplied is None:
        return not was_supplied
    if SPACING_SUSPICIOUS in codes:
        return False
    tolerance = 0.0 if was_supplied else SPACING_TOLERANCE
    pairs = zip(report.input.spacing_mm, supplied, strict=True)
    return all(math.isclose(own, wanted, rel_tol=tolerance, abs_tol=ROUNDING_MM) for own, wanted in pairs)


def _describe_failure(error: Exception) -> CaseProblem:
    if isinstance(error, OSError):
        detail = f"{error.strerror or 'the file cannot be read or written'}."
        return CaseProblem(code="file_not_read", detail=detail)
    if isinstance(error, CaseError):
        problem = error.problem
    else:
        problem = CaseProblem(**translate_error(error).problem.model_dump(exclude_none=True))
    remedy = REMEDIES.get(problem.code, problem.remedy)
    return problem.model_copy(update={"remedy": remedy})
