"""Reviews of a measurement: POST a decision, PUT an edited mask in place of the model's."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from pydantic import ValidationError

from app.api.address import Root
from app.api.answers import find_report
from app.api.documentation import describe_body, problems
from app.api.errors import validation_problem
from app.api.routes.segmentations import SegmentationId
from app.api.security import Caller
from app.api.state import State
from app.api.upload import drain, read_body
from app.contract.report import MASK, Report
from app.contract.review import Decision, DecisionList, Edit, NewDecision
from app.contract.value import round_volume
from app.imaging.formats.checks import DecodeLimits
from app.imaging.nifti.edited_mask import EditedMask, read_edited_mask
from app.imaging.quality import QualitySpec
from app.inference.errors import InferenceError
from app.inference.model_store import ModelStore
from app.measuring.edit import check_edit
from app.problems.problem import ProblemError
from app.service.state import ServiceState

router = APIRouter(prefix="/segmentations/{segmentation_id}", tags=["review"])
MAX_DECISION_BYTES = 4096


@router.post(
    "/decision",
    summary="Accept, edit or reject",
    openapi_extra=describe_body("application/json", NewDecision.model_json_schema()),
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
async def post_decision(segmentation_id: SegmentationId, request: Request, state: State, principal: Caller) -> Decision:
    """Record a reader's decision: accept the model's mask, use the edited one, or reject both.

    Every decision is kept; the latest counts. The reason is for people; the audit trail does not hold it.
    """
    wanted = _parse_decision(await read_body(request, MAX_DECISION_BYTES, state.settings.upload_timeout_s))
    await find_report(state, segmentation_id)
    return await run_in_threadpool(state.records.reviews.decide, segmentation_id, wanted, principal.name)


@router.get(
    "/decisions",
    summary="Every decision",
    responses=problems("unknown_segmentation", "not_completed"),
)
async def get_decisions(segmentation_id: SegmentationId, state: State) -> DecisionList:
    """Return the decisions about a measurement, oldest first."""
    await find_report(state, segmentation_id)
    history = await run_in_threadpool(state.records.reviews.history, segmentation_id)
    return DecisionList(decisions=tuple(history))


@router.put(
    "/mask",
    summary="Replace the mask",
    openapi_extra=describe_body("application/gzip", {"type": "string", "format": "binary"}),
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
async def put_mask(
    segmentation_id: SegmentationId, request: Request, state: State, principal: Caller, root: Root
) -> Edit:
    """Store a mask (.nii or .nii.gz, the request's body) on the grid of the model's mask, and compute its volume.

    The model's mask and all earlier edited ones are kept; the report keeps the measured volume.
    """
    report = await find_report(state, segmentation_id)
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        await drain(request)
        raise ProblemError("not_bare")
    payload = await read_body(request, state.settings.max_upload_bytes, state.settings.upload_timeout_s)
    mask = await state.jobs.decode(lambda: _read_mask(state, report, payload))
    findings = await run_in_threadpool(check_edit, mask, _limits(state, report), report.gestational_age_weeks)
    volume_ml, store = round_volume(mask.head_volume_ml), state.records.reviews.store_mask
    edit = await run_in_threadpool(store, segmentation_id, mask.content, volume_ml, principal.name, findings)
    return edit.model_copy(update={"mask": root + edit.mask})


def _limits(state: ServiceState, report: Report) -> QualitySpec:
    """Return the limits of the model that measured, or the usual ones where it is not in the store any more."""
    try:
        return ModelStore(state.settings.model_store).manifest(report.model.name, report.model.version).quality
    except InferenceError:
        return QualitySpec()


def _parse_decision(content: bytes) -> NewDecision:
    try:
        return NewDecision.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise validation_problem({**first, "loc": ("body", *first["loc"])}, "invalid_decision") from error


def _read_mask(state: ServiceState, report: Report, payload: bytes) -> EditedMask:
    limits = DecodeLimits(max_bytes=state.settings.max_unpacked_bytes)
    original = state.records.repository.read_artifact(report.id, MASK)
    return read_edited_mask(payload, original, report.input.spacing_mm, limits)
