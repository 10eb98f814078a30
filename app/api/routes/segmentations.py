"""/segmentations/{id}: report or state, mask, preview and layers; DELETE cancels or erases."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.api.address import Root, link_below
from app.api.answers import (
    GZIP,
    ZIP,
    draw_valid_preview,
    find_report,
    make_archive,
    read_valid_mask,
    require_report,
    save_as,
    summary_headers,
    unfinished_answer,
)
from app.api.documentation import problems
from app.api.security import Caller, require_owner
from app.api.state import State
from app.contract.report import DISAGREEMENT, MASK, PREVIEW, PROBABILITY, Report
from app.contract.service import Unfinished
from app.pictures import is_installed
from app.problems.problem import ProblemError
from app.service.state import ServiceState

router = APIRouter(prefix="/segmentations/{segmentation_id}", tags=["segmentation"])
PDF = "application/pdf"
MaskVersion = Literal["latest", "valid", "original", "edited"]
FILE_PROBLEMS = ("unknown_segmentation", "not_completed", "damaged_record")


def _normalize(
    segmentation_id: Annotated[
        str, Path(description="The identifier that POST /segment gave.", json_schema_extra={"format": "uuid"})
    ],
) -> str:
    """Return the identifier in its stored form; raise `unknown_segmentation` if it is not a UUID."""
    try:
        return str(UUID(segmentation_id))
    except ValueError as error:
        raise ProblemError("unknown_segmentation") from error


SegmentationId = Annotated[str, Depends(_normalize)]


def _file(media_type: str, *codes: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "format": "binary"}
    return {
        200: {"description": "The file.", "content": {media_type: {"schema": schema}}},
        **problems(*FILE_PROBLEMS, *codes),
    }


@router.get(
    "",
    summary="Report or state",
    response_model=None,
    responses={
        200: {"model": Report | Unfinished, "description": "The report, or the state of an unfinished one."},
        **problems("unknown_segmentation"),
    },
)
async def get_segmentation(segmentation_id: SegmentationId, state: State, root: Root) -> Response:
    """Return the report, or the state of a segmentation that is queued, running, failed or cancelled."""
    stored = await run_in_threadpool(state.records.repository.find, segmentation_id)
    if stored.report is not None:
        report = await find_report(state, stored.id)
        return JSONResponse(link_below(root, report.model_dump(mode="json")))
    job = state.jobs.find(stored.id)
    return JSONResponse(link_below(root, unfinished_answer(stored, job).model_dump(mode="json", exclude_none=True)))


@router.get("/mask", summary="Mask", response_model=None, responses=_file(GZIP, "not_edited", "invalid_parameter"))
async def get_mask(
    segmentation_id: SegmentationId,
    state: State,
    wanted: Annotated[
        MaskVersion,
        Query(alias="version", description="The model's mask, a reader's, the newest, or the one that counts."),
    ] = "latest",
) -> Response:
    """Return the mask, .nii.gz with the grid, affine and codes of the upload: 1 in the head, 0 elsewhere."""
    report = await find_report(state, segmentation_id)
    if wanted == "valid":
        content = await run_in_threadpool(read_valid_mask, state.records, report)
        return Response(content, media_type=GZIP, headers=_show_as(MASK) | summary_headers(report))
    if wanted != "original":
        edited = await run_in_threadpool(state.records.reviews.read_edited_mask, segmentation_id)
        if edited is not None:
            edit, content = edited
            headers = _show_as(MASK) | summary_headers(report) | {"X-Head-Volume-ml": str(edit.head_volume_ml)}
            return Response(content, media_type=GZIP, headers=headers)
        if wanted == "edited":
            raise ProblemError("not_edited", "No edited mask was stored.")
    return await _artifact(state, segmentation_id, MASK, GZIP)


@router.get("/preview.png", summary="Preview", response_model=None, responses=_file("image/png"))
async def get_preview(segmentation_id: SegmentationId, state: State) -> Response:
    """Return three orthogonal planes through the head, with the outline that counts, a scale and the result."""
    report = await find_report(state, segmentation_id)
    content = await run_in_threadpool(draw_valid_preview, state.records, report)
    return Response(content, media_type="image/png", headers=_show_as(PREVIEW) | summary_headers(report))


@router.get("/probability", summary="Probability", response_model=None, responses=_file(GZIP, "unknown_layer"))
async def get_probability(segmentation_id: SegmentationId, state: State) -> Response:
    """Return the network's probability of head, .nii.gz on its grid in steps of 1/255; for viewing only."""
    return await _artifact(state, segmentation_id, PROBABILITY, GZIP)


@router.get("/disagreement", summary="Disagreement", response_model=None, responses=_file(GZIP, "unknown_layer"))
async def get_disagreement(segmentation_id: SegmentationId, state: State) -> Response:
    """Return the difference of the last two context levels' probabilities, .nii.gz on the network's grid."""
    return await _artifact(state, segmentation_id, DISAGREEMENT, GZIP)


@router.get("/archive.zip", summary="Everything in one file", response_model=None, responses=_file(ZIP))
async def get_archive(segmentation_id: SegmentationId, state: State) -> Response:
    """Return both masks, report and preview in a zip, as POST /segment does for Accept: application/zip."""
    report = await find_report(state, segmentation_id)
    content = await run_in_threadpool(make_archive, state.records, report)
    return Response(content, media_type=ZIP, headers={**save_as("segmentation.zip"), **summary_headers(report)})


@router.get(
    "/report.pdf",
    summary="Report as PDF",
    response_model=None,
    responses=_file(PDF, "invalid_parameter", "report_not_installed"),
)
async def get_report(segmentation_id: SegmentationId, state: State) -> Response:
    """Return one page: three planes, the surface, the numbers, the model, the flags and the notice."""
    if not is_installed():
        raise ProblemError("report_not_installed")
    report = await find_report(state, segmentation_id)
    content = await run_in_threadpool(_draw_pdf, state, report)
    return Response(content, media_type=PDF, headers=_show_as(f"head-volume-{report.id}.pdf"))


@router.delete(
    "",
    summary="Cancel or erase",
    status_code=204,
    response_model=None,
    responses=problems("unknown_segmentation", "forbidden"),
)
async def delete_segmentation(segmentation_id: SegmentationId, state: State, principal: Caller) -> Response:
    """Cancel a segmentation that is under way; erase a finished one: measurement, mask and preview.

    Operators may do so with their own, admins with all.
    """
    stored = await run_in_threadpool(state.records.repository.find, segmentation_id)
    require_owner(principal, stored.owner)
    await run_in_threadpool(state.records.repository.remove, stored.id, principal.name)
    state.jobs.end(stored.id)
    return Response(status_code=204)


async def _artifact(state: ServiceState, segmentation_id: str, name: str, media_type: str) -> Response:
    """Return a file of the model's, with the volume that the model measured unless a reader rejected it."""
    stored = await run_in_threadpool(state.records.repository.find, segmentation_id)
    reviewed = await find_report(state, segmentation_id)
    report = reviewed if reviewed.valid.head_volume_ml is None else require_report(stored)
    if name not in stored.artifacts:
        raise ProblemError("unknown_layer")
    content = await run_in_threadpool(state.records.repository.read_artifact, segmentation_id, name)
    return Response(content, media_type=media_type, headers=_show_as(name) | summary_headers(report))


def _draw_pdf(state: ServiceState, report: Report) -> bytes:
    from app.pictures.pdf import draw_report  # noqa: PLC0415  # its library is an extra

    return draw_report(report, read_valid_mask(state.records, report), draw_valid_preview(state.records, report))


def _show_as(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'inline; filename="{name}"'}
