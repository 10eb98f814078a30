"""A stored segmentation as an answer: JSON, the mask, or both in a zip."""

from __future__ import annotations

import io
import zipfile

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.api.address import link_below
from app.contract.report import MASK, PREVIEW, REPORT, Report, segmentation_path
from app.contract.service import Unfinished
from app.problems.problem import ProblemError
from app.records.repository import Repository
from app.records.segmentation import StoredSegmentation
from app.service.jobs import Job
from app.service.state import ServiceState

JSON = "application/json"
GZIP = "application/gzip"
ZIP = "application/zip"
STAGES = 6
"""Stages that a segmentation goes through, to report its progress."""


def completed_answer(repository: Repository, report: Report, media_type: str, root: str) -> Response:
    """Return the answer to a completed segmentation, its links below `root`; blocks while it reads files."""
    headers = {"Location": segmentation_path(report.id), **summary_headers(report)}
    if media_type == GZIP:
        return Response(repository.read_artifact(report.id, MASK), media_type=GZIP, headers=headers | save_as(MASK))
    if media_type == ZIP:
        return Response(make_archive(repository, report), media_type=ZIP, headers=headers | save_as("segmentation.zip"))
    return JSONResponse(link_below(root, report.model_dump(mode="json")), headers=headers)


def unfinished_answer(stored: StoredSegmentation, job: Job | None) -> Unfinished:
    """Return the state of a segmentation that has no result (yet)."""
    if stored.status == "completed":
        raise ValueError(f"segmentation {stored.id} is completed")
    progress = None
    if job is not None and stored.status == "running":
        progress = min(1.0, job.stages_done / STAGES)
    return Unfinished(
        id=stored.id,
        status=stored.status,
        created_at=stored.created_at,
        stage=None if job is None else job.stage,
        progress=progress,
        problem=stored.problem,
    )


def summary_headers(report: Report) -> dict[str, str]:
    """Return the result as headers, for clients that fetch only the mask; a reject has no volume."""
    headers = {
        "X-Segmentation-Id": report.id,
        "X-Verdict": report.verdict,
        "X-Model-Version": str(report.model.version),
    }
    if report.head_volume_ml is not None:
        headers["X-Head-Volume-ml"] = str(report.head_volume_ml)
    return headers


async def find_report(service: ServiceState, segmentation_id: str) -> Report:
    """Return the report of a segmentation, or raise the problem that says why there is none (yet)."""
    return require_report(await run_in_threadpool(service.records.repository.find, segmentation_id))


def require_report(stored: StoredSegmentation) -> Report:
    """Return the report, or raise the problem that says why there is none (yet)."""
    if stored.problem is not None:
        error = ProblemError(stored.problem.code)
        error.problem = stored.problem
        raise error
    if stored.report is None:
        raise ProblemError("not_completed", f"The segmentation is {stored.status}.", got=stored.status)
    return stored.report


def make_archive(repository: Repository, report: Report) -> bytes:
    """Return mask, report and preview in a zip; blocks while it reads files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as members:  # its members are compressed already
        members.writestr(REPORT, report.model_dump_json(indent=2))
        for name in (MASK, PREVIEW):
            members.writestr(name, repository.read_artifact(report.id, name))
    return file.getvalue()


def save_as(name: str) -> dict[str, str]:
    """Return the header that makes a browser save an answer under a name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
