"""What readers make of a measurement: POST its decision, PUT an edited mask in place of the model's."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from app.api.answers import decision_answer, edit_answer
from app.api.documentation import problems
from app.api.routes.segmentations import SegmentationId, completed_report
from app.api.security import Caller
from app.api.upload import drain, read_body
from app.api.validation import MALFORMED_JSON, complaint
from app.contract.report import DecisionAnswer, EditAnswer
from app.contract.service import DecisionList, DecisionRequest
from app.imaging.nifti.edited_mask import EditedMask, read_edited_mask
from app.imaging.nifti.file import DecodeLimits
from app.problems.problem import ProblemError
from app.records.artifacts import MASK
from app.records.reviews import NewDecision
from app.service.state import ServiceState, State

router = APIRouter(prefix="/segmentations/{segmentation_id}", tags=["review"])
MAX_DECISION_BYTES = 4096
VOLUME_DECIMALS = 2
MASK_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/gzip": {"schema": {"type": "string", "format": "binary"}}},
    }
}
DECISION_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": DecisionRequest.model_json_schema()}},
    }
}


@router.post(
    "/decision",
    summary="Accept, edit or reject",
    openapi_extra=DECISION_BODY,
    responses=problems(
        "malformed_json",
        "unknown_segmentation",
        "not_completed",
        "not_edited",
        "nothing_to_accept",
        "body_too_large",
        "invalid_decision",
    ),
)
async def post_decision(
    segmentation_id: SegmentationId, request: Request, state: State, principal: Caller
) -> DecisionAnswer:
    """Records a reader's decision: the model's mask is accepted, the edited one is taken, or both are rejected.

    Every decision is kept; the latest counts. The reason is for people, and stays out of the audit trail.
    """
    wanted = _decision_request(await read_body(request, MAX_DECISION_BYTES, state.settings.upload_timeout_s))
    completed_report(await run_in_threadpool(state.repository.find, segmentation_id))
    verdict = NewDecision(wanted.decision, wanted.reason.strip())
    decision = await run_in_threadpool(state.reviews.decide, segmentation_id, verdict, principal.name)
    return decision_answer(decision)


@router.get(
    "/decisions",
    summary="Every decision",
    responses=problems("unknown_segmentation", "not_completed"),
)
async def get_decisions(segmentation_id: SegmentationId, state: State) -> DecisionList:
    """The decisions about a measurement, oldest first."""
    completed_report(await run_in_threadpool(state.repository.find, segmentation_id))
    history = await run_in_threadpool(state.reviews.history, segmentation_id)
    return DecisionList(decisions=tuple(map(decision_answer, history)))


@router.put(
    "/mask",
    summary="Replace the mask",
    openapi_extra=MASK_BODY,
    responses=problems(
        "unreadable",
        "truncated",
        "unknown_segmentation",
        "upload_timeout",
        "not_completed",
        "body_too_large",
        "too_large",
        "not_bare",
        "not_a_volume",
        "not_nifti",
        "mask_grid_differs",
        "empty_mask",
        "not_a_mask",
    ),
)
async def put_mask(segmentation_id: SegmentationId, request: Request, state: State, principal: Caller) -> EditAnswer:
    """Takes a mask (.nii or .nii.gz, the request's body) on the grid of the model's, and computes its volume.

    The model's mask and every earlier edited one are kept; the report keeps the volume that was measured.
    """
    report = completed_report(await run_in_threadpool(state.repository.find, segmentation_id))
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        await drain(request)
        raise ProblemError("not_bare")
    payload = await read_body(request, state.settings.max_upload_bytes, state.settings.upload_timeout_s)
    mask = await state.jobs.decode(lambda: _read_mask(state, report, payload))
    edit = await run_in_threadpool(
        state.reviews.store_mask,
        segmentation_id,
        mask.content,
        round(mask.head_volume_ml, VOLUME_DECIMALS),
        principal.name,
    )
    return edit_answer(segmentation_id, edit)


def _decision_request(body: bytes) -> DecisionRequest:
    try:
        return DecisionRequest.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        if first["type"] == MALFORMED_JSON:
            raise ProblemError("malformed_json") from error
        detail, expected = complaint({**first, "loc": ("body", *first["loc"])})
        raise ProblemError("invalid_decision", detail, expected=expected) from error


def _read_mask(state: ServiceState, report: dict[str, Any], payload: bytes) -> EditedMask:
    limits = DecodeLimits(max_bytes=state.settings.max_unpacked_bytes)
    i, j, k = report["input"]["spacing_mm"]
    original = state.repository.read_artifact(str(report["id"]), MASK)
    return read_edited_mask(payload, original, (i, j, k), limits)
