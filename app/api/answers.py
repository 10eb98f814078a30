"""A stored segmentation as an answer: JSON, the mask, or both in a zip."""

from __future__ import annotations

import io
import zipfile

from fastapi import Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.api.address import link_below
from app.contract.report import EDITED_MASK, MASK, PLANES, PREVIEW, REPORT, Report, segmentation_path
from app.contract.service import Unfinished
from app.pictures.reviewed import draw_reviewed_preview
from app.problems.problem import ProblemError
from app.records.opening import Records
from app.records.segmentation import StoredSegmentation
from app.service.jobs import Job
from app.service.state import ServiceState

JSON = "application/json"
GZIP = "application/gzip"
ZIP = "application/zip"
STAGES = 6
"""Stages that a segmentation goes through, to report its progress."""


def completed_answer(records: Records, report: Report, media_type: str, root: str) -> Response:
    """Return the answer to a completed segmentation, its links below `root`; blocks while it reads files."""
    headers = {"Location": segmentation_path(report.id), **summary_headers(report)}
    if media_type == GZIP:
        return Response(read_valid_mask(records, report), media_type=GZIP, headers=headers | save_as(MASK))
    if media_type == ZIP:
        return Response(make_archive(records, report), media_type=ZIP, headers=headers | save_as("segmentation.zip"))
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
    """Return the result as headers, for clients that fetch only the mask; without a volume where it was rejected."""
    headers = {
        "X-Segmentation-Id": report.id,
        "X-Verdict": report.verdict,
        "X-Model-Version": str(report.model.version),
    }
    if report.valid.head_volume_ml is not None:
        headers["X-Head-Volume-ml"] = str(report.valid.head_volume_ml)
    return headers


async def find_report(service: ServiceState, segmentation_id: str) -> Report:
    """Return the report of a segmentation and its review, or raise the problem that says why there is none (yet)."""
    return await run_in_threadpool(_find_report, service.records, segmentation_id)


def _find_report(records: Records, segmentation_id: str) -> Report:
    report = require_report(records.repository.find(segmentation_id))
    return report.model_copy(update={"review": records.reviews.latest([report.id]).get(report.id)})


def require_report(stored: StoredSegmentation) -> Report:
    """Return the report, or raise the problem that says why there is none (yet)."""
    if stored.problem is not None:
        error = ProblemError(stored.problem.code)
        error.problem = stored.problem
        raise error
    if stored.report is None:
        raise ProblemError("not_completed", f"The segmentation is {stored.status}.", got=stored.status)
    return stored.report


def make_archive(records: Records, report: Report) -> bytes:
    """Return mask, edited mask, report and preview in a zip; blocks while it reads files.

    Of several edited masks it is the one that counts, or else the newest.
    """
    edited = read_valid_mask(records, report) if report.valid.is_edited else _read_newest_edit(records, report.id)
    files = {
        REPORT: report.model_dump_json(indent=2).encode(),
        MASK: records.repository.read_artifact(report.id, MASK),
        **({} if edited is None else {EDITED_MASK: edited}),
        PREVIEW: draw_valid_preview(records, report),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as members:  # its members are compressed already
        for name, content in files.items():
            members.writestr(name, content)
    return file.getvalue()


def _read_newest_edit(records: Records, segmentation_id: str) -> bytes | None:
    newest = records.reviews.read_edited_mask(segmentation_id)
    return None if newest is None else newest[1]


def read_valid_mask(records: Records, report: Report) -> bytes:
    """Return the mask that counts now, the model's or a reader's; blocks while it reads files."""
    edited = records.reviews.read_valid_mask(report.id) if report.valid.is_edited else None
    return records.repository.read_artifact(report.id, MASK) if edited is None else edited


def draw_valid_preview(records: Records, report: Report) -> bytes:
    """Return the preview, with the outline and the decision of readers where there are any; blocks meanwhile."""
    if report.review is None:
        return records.repository.read_artifact(report.id, PREVIEW)
    kept = records.repository.find(report.id).artifacts
    planes = records.repository.read_artifact(report.id, PLANES) if PLANES in kept else None
    measured = records.repository.read_artifact(report.id, MASK)
    return draw_reviewed_preview(report, planes, measured, read_valid_mask(records, report))


def save_as(name: str) -> dict[str, str]:
    """Return the header that makes a browser save an answer under a name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
