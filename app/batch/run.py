"""A batch, case by case in order: files are read and decoded ahead, a case that fails does not stop the rest."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from app.batch.cases import Case
from app.batch.engines import Engine, Measured, Work, with_page
from app.client.errors import FetalHeadError, ServiceProblem
from app.contract.upload import Upload, VolumeFields
from app.files import write_atomically
from app.imaging.nifti.affine import SPACING_SUSPICIOUS, SPACING_TOLERANCE
from app.problems.translate import translate_error

REMEDIES: Final = {
    "no_spacing": "Write the spacing into the file's header, or give it: --spacing-mm X,Y,Z, in mm.",
    "spacing_contradicts_file": "Leave out --spacing-mm for this file, or correct its header.",
}
State = Literal["measured", "kept", "failed"]


@dataclass(frozen=True)
class Wishes:
    """What was asked for beside the files."""

    fields: VolumeFields = field(default_factory=VolumeFields)
    resume: bool = True
    jobs: int = 2
    pdf: bool = False


@dataclass(frozen=True)
class CaseResult:
    """What became of one case; `content` is its report, or its problem, for machines.

    `files` are the ones that were not written, by their kind.
    """

    case: Case
    state: State
    content: Mapping[str, Any]
    files: Mapping[str, bytes] | None = None


def run_batch(cases: Sequence[Case], output: Path, engine: Engine, wishes: Wishes) -> Iterator[CaseResult]:
    """Measure each case and write its files below `output`; at most `wishes.jobs` are prepared ahead."""
    waiting: deque[tuple[Case, Future[Work | CaseResult]]] = deque()
    left = iter(cases)
    pool = ThreadPoolExecutor(wishes.jobs, "case")
    try:
        while True:
            while len(waiting) < wishes.jobs and (case := next(left, None)) is not None:
                waiting.append((case, pool.submit(_prepared, case, output, engine, wishes)))
            if not waiting:
                return
            yield _finished(*waiting.popleft(), output, wishes)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def measure_one(case: Case, engine: Engine, wishes: Wishes) -> CaseResult:
    """Measure one case without writing anything."""
    try:
        measured = engine.prepare(_upload(case, wishes))()
        return CaseResult(case, "measured", _described(case, measured.report), measured.files)
    except Exception as error:
        return _failure(case, error)


def _prepared(case: Case, output: Path, engine: Engine, wishes: Wishes) -> Work | CaseResult:
    upload = _upload(case, wishes)
    earlier = _earlier(case.report(output), upload, engine, wishes) if wishes.resume else None
    return engine.prepare(upload) if earlier is None else CaseResult(case, "kept", _described(case, earlier))


def _upload(case: Case, wishes: Wishes) -> Upload:
    return Upload(case.path.read_bytes(), wishes.fields)


def _finished(case: Case, future: Future[Work | CaseResult], output: Path, wishes: Wishes) -> CaseResult:
    """Whatever goes wrong with one case is that case's result: the next one is measured all the same."""
    try:
        outcome = future.result()
        if isinstance(outcome, CaseResult):
            return outcome
        measured = with_page(outcome()) if wishes.pdf else outcome()
        return CaseResult(case, "measured", _described(case, _written(case, measured, output)))
    except Exception as error:
        return _failure(case, error)


def _written(case: Case, measured: Measured, output: Path) -> dict[str, Any]:
    """The report, once the files are written; it comes last, so that a report stands for a whole result."""
    report_path = case.report(output)
    report_path.parent.mkdir(parents=True, exist_ok=True)
    names = {}
    for kind, content in measured.files.items():
        path = case.file(output, kind)
        write_atomically(path, content)
        names[kind.partition(".")[0]] = path.name
    report = {**measured.report, **names}
    write_atomically(report_path, json.dumps(report, indent=2) + "\n")
    return report


def _earlier(report_path: Path, upload: Upload, engine: Engine, wishes: Wishes) -> dict[str, Any] | None:
    """The report of an earlier run, if it was made of the same file, model, age and spacing and its files are there."""
    made_of = (upload.sha256, list(engine.model_sha256), wishes.fields.gestational_age_weeks)
    kinds = ("mask", "preview", "report") if wishes.pdf else ("mask", "preview")
    try:
        report: dict[str, Any] = json.loads(report_path.read_text(encoding="utf-8"))
        known = (report["input"]["sha256"], report["model"]["sha256"], report["gestational_age_weeks"])
        whole = all((report_path.parent / report[kind]).is_file() for kind in kinds)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if known == made_of and whole and _has_spacing(report, wishes.fields.spacing_mm) else None


def _has_spacing(report: Mapping[str, Any], supplied: tuple[float, float, float] | None) -> bool:
    """Whether a report is what the spacing that is supplied now, or none, would give again."""
    codes = {flag["code"] for flag in report["flags"]}
    was_supplied = "spacing_supplied" in codes
    if supplied is None:
        return not was_supplied
    if SPACING_SUSPICIOUS in codes:
        return False
    return np.allclose(report["input"]["spacing_mm"], supplied, rtol=0.0 if was_supplied else SPACING_TOLERANCE)


def _described(case: Case, report: Mapping[str, Any]) -> dict[str, Any]:
    return {"file": str(case.path), **report}


def _failure(case: Case, error: Exception) -> CaseResult:
    return CaseResult(case, "failed", {"file": str(case.path), **_problem(error)})


def _problem(error: Exception) -> dict[str, Any]:
    if isinstance(error, OSError):
        return {"code": "file_not_read", "detail": f"{error.strerror or 'the file cannot be read or written'}."}
    if isinstance(error, ServiceProblem):
        return _in_own_words(error.problem.model_dump(mode="json", exclude_none=True))
    if isinstance(error, FetalHeadError):
        return {"code": "service_unreachable", "detail": f"{error}."}
    return _in_own_words(translate_error(error).body)


def _in_own_words(problem: dict[str, Any]) -> dict[str, Any]:
    """The problem with a remedy for whoever typed the command; the service's is for those who send requests."""
    remedy = REMEDIES.get(problem["code"])
    return problem if remedy is None else problem | {"remedy": remedy}
