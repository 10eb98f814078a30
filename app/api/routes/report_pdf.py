"""The report of a measurement as PDF. Needs the extra `report`."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.concurrency import run_in_threadpool

from app.api.answers import require_report
from app.api.documentation import problems
from app.api.routes.segmentations import SegmentationId
from app.api.state import State
from app.contract.report import MASK, PREVIEW, Report
from app.pictures import is_installed
from app.problems.problem import ProblemError
from app.service.state import ServiceState

PDF = "application/pdf"
router = APIRouter()


@router.get(
    "/segmentations/{segmentation_id}/report.pdf",
    tags=["segmentation"],
    summary="Report as PDF",
    response_model=None,
    responses={
        200: {"description": "The page.", "content": {PDF: {"schema": {"type": "string", "format": "binary"}}}},
        **problems(
            "invalid_parameter", "report_not_installed", "unknown_segmentation", "not_completed", "damaged_record"
        ),
    },
)
async def get_report(segmentation_id: SegmentationId, state: State) -> Response:
    """Return one page: three planes, the surface, the numbers, the model, the flags and the notice."""
    if not is_installed():
        raise ProblemError("report_not_installed")
    stored = await run_in_threadpool(state.repository.find, segmentation_id)
    report = require_report(stored)
    content = await run_in_threadpool(_pdf, state, report)
    headers = {"Content-Disposition": f'inline; filename="head-volume-{stored.id}.pdf"'}
    return Response(content, media_type=PDF, headers=headers)


def _pdf(state: ServiceState, report: Report) -> bytes:
    from app.pictures.pdf import draw_report  # noqa: PLC0415  # its library is an extra

    mask, preview = (state.repository.read_artifact(report.id, name) for name in (MASK, PREVIEW))
    return draw_report(report, mask, preview)
