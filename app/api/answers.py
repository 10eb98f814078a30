"""A stored segmentation as an answer: JSON, the mask, or both in a zip."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from app.contract.report import DecisionAnswer, EditAnswer, ReviewAnswer
from app.contract.service import Problem, Unfinished
from app.problems.problem import ProblemError
from app.records.artifacts import MASK, PREVIEW
from app.records.repository import Repository
from app.records.reviews import Decision, Edit, Review
from app.records.segmentation import StoredSegmentation
from app.service.jobs import Job

JSON = "application/json"
GZIP = "application/gzip"
ZIP = "application/zip"
LATER_S = "60"
UNAVAILABLE = 503
STAGES = 6
"""Stages that a segmentation reports on its way, for its progress."""


def location(segmentation_id: str) -> str:
    """Path of a segmentation."""
    return f"/segmentations/{segmentation_id}"


def completed_answer(repository: Repository, stored: StoredSegmentation, media_type: str) -> Response:
    """The answer to a completed segmentation; blocks while it reads files."""
    report = stored.report or {}
    headers = {"Location": location(stored.id), **summary_headers(report)}
    if media_type == GZIP:
        return Response(repository.read_artifact(stored.id, MASK), media_type=GZIP, headers=headers | named(MASK))
    if media_type == ZIP:
        content = archive(repository, stored, report)
        return Response(content, media_type=ZIP, headers=headers | named("segmentation.zip"))
    return JSONResponse(report, headers=headers)


def unfinished_answer(stored: StoredSegmentation, job: Job | None) -> Unfinished:
    """The state of a segmentation without a result (yet)."""
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
        problem=None if stored.problem is None else Problem.model_validate(stored.problem),
    )


def summary_headers(report: Mapping[str, Any]) -> dict[str, str]:
    """The result in headers, for clients that take the mask alone; without a volume on reject."""
    headers = {
        "X-Segmentation-Id": str(report["id"]),
        "X-Verdict": str(report["verdict"]),
        "X-Model-Version": str(report["model"]["version"]),
    }
    if report["head_volume_ml"] is not None:
        headers["X-Head-Volume-ml"] = str(report["head_volume_ml"])
    return headers


def failure(problem: Mapping[str, Any]) -> ProblemError:
    """The problem that a segmentation was stored with, to be answered."""
    headers = {"Retry-After": LATER_S} if problem["status"] == UNAVAILABLE else {}
    error = ProblemError(str(problem["code"]), headers=headers)
    error.body = dict(problem)
    return error


def archive(repository: Repository, stored: StoredSegmentation, report: Mapping[str, Any]) -> bytes:
    """Mask, report and preview in a zip; blocks while it reads files."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as members:  # its members are compressed already
        members.writestr("report.json", json.dumps(report, indent=2))
        for name in (MASK, PREVIEW):
            members.writestr(name, repository.read_artifact(stored.id, name))
    return file.getvalue()


def named(name: str) -> dict[str, str]:
    """The header that has a browser save an answer under a name."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def review_answer(segmentation_id: str, review: Review | None) -> ReviewAnswer | None:
    """The latest decision and edited mask; None where there is neither."""
    if review is None:
        return None
    return ReviewAnswer(
        decision=None if review.decision is None else decision_answer(review.decision),
        edit=None if review.edit is None else edit_answer(segmentation_id, review.edit),
    )


def decision_answer(decision: Decision) -> DecisionAnswer:
    """A decision as it is answered."""
    return DecisionAnswer(
        decision=decision.decision,
        reason=decision.reason,
        at=decision.at,
        by=decision.actor,
        head_volume_ml=decision.head_volume_ml,
        mask_sha256=decision.mask_sha256,
    )


def edit_answer(segmentation_id: str, edit: Edit) -> EditAnswer:
    """An edited mask as it is answered."""
    return EditAnswer(
        at=edit.at,
        by=edit.actor,
        head_volume_ml=edit.head_volume_ml,
        sha256=edit.sha256,
        mask=f"/segmentations/{segmentation_id}/mask?version=edited",
    )
