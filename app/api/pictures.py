"""What is drawn of measurements: a page about one as PDF, charts of many as SVG. Needs the extra `report`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, ConfigDict, Field

from app.api.documentation import problems
from app.api.errors import ProblemError
from app.api.schemas import Report
from app.api.segmentations import SegmentationId, completed_report
from app.api.state import ServiceState, State
from app.api.volume import SUBJECT_PATTERN, reviewed
from app.records.artifacts import MASK, PREVIEW
from app.records.measurements import MeasurementFilter
from app.report import missing_libraries

PDF = "application/pdf"
SVG = "image/svg+xml"
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""A chart brings its styles in its elements, and nothing else."""
router = APIRouter()


class ChartQuery(BaseModel):
    """Which measurements, and for which page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subject: str | None = Field(None, pattern=SUBJECT_PATTERN, description="Pseudonym; without it, all of them.")
    theme: Literal["light", "dark"] = Field("light", description="Colours: light or dark.")


def _drawn(media_type: str, *codes: str) -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "format": "binary"}
    return {
        200: {"description": "The picture.", "content": {media_type: {"schema": schema}}},
        **problems("invalid_parameter", "report_not_installed", *codes),
    }


@router.get(
    "/segmentations/{segmentation_id}/report.pdf",
    tags=["segmentation"],
    summary="Report as PDF",
    response_model=None,
    responses=_drawn(PDF, "unknown_segmentation", "not_completed", "damaged_record"),
)
async def get_report(segmentation_id: SegmentationId, state: State) -> Response:
    """One page: three planes, the surface, the numbers, the model, the flags and the notice."""
    _check_libraries()
    stored = await run_in_threadpool(state.repository.find, segmentation_id)
    report = completed_report(stored)
    content = await run_in_threadpool(_pdf, state, report)
    headers = {"Content-Disposition": f'inline; filename="head-volume-{stored.id}.pdf"'}
    return Response(content, media_type=PDF, headers=headers)


@router.get(
    "/volume/growth.svg",
    tags=["measurements"],
    summary="Chart of growth",
    response_model=None,
    responses=_drawn(SVG),
)
async def get_growth(state: State, query: Annotated[ChartQuery, Query()]) -> Response:
    """Head volumes over gestational age, against a band derived from head circumference: not a reference chart.

    A volume that a reader edited is drawn in the place of the measured one, one that a reader rejected is left out.
    """
    return await _chart(lambda: _growth(state, query))


@router.get(
    "/volume/repeatability.svg",
    tags=["measurements"],
    summary="Chart of repeated scans",
    response_model=None,
    responses=_drawn(SVG),
)
async def get_repeatability(state: State, query: Annotated[ChartQuery, Query()]) -> Response:
    """Bland and Altman's plot of the scans that a subject had on one day, at one age, as the model measured them.

    Edited volumes are not drawn, since they tell of the reader; what a reader rejected is left out.
    """
    return await _chart(lambda: _repeatability(state, query))


async def _chart(draw: Callable[[], bytes]) -> Response:
    _check_libraries()
    content = await run_in_threadpool(draw)
    return Response(content, media_type=SVG, headers={"Content-Security-Policy": SVG_POLICY})


def _check_libraries() -> None:
    if missing := missing_libraries():
        raise ProblemError("report_not_installed", got=f"without {' and '.join(missing)}")


def _pdf(state: ServiceState, report: dict[str, Any]) -> bytes:
    from app.report.pdf import report_pdf  # noqa: PLC0415  # its libraries are an extra

    mask, preview = (state.repository.artifact(report["id"], name) for name in (MASK, PREVIEW))
    return report_pdf(Report.model_validate(report, extra="ignore"), mask, preview)


def _growth(state: ServiceState, query: ChartQuery) -> bytes:
    from app.report.charts import growth_chart  # noqa: PLC0415  # its libraries are an extra

    title = "Head volumes of all subjects" if query.subject is None else f"Head volumes of {query.subject}"
    return growth_chart(list(_measured(state, query, edited=True)), title, query.theme)


def _repeatability(state: ServiceState, query: ChartQuery) -> bytes:
    from app.report.charts import repeatability_chart, repeated  # noqa: PLC0415  # its libraries are an extra

    return repeatability_chart(repeated(_measured(state, query, edited=False)), query.theme)


def _measured(state: ServiceState, query: ChartQuery, edited: bool) -> Iterator[Any]:
    """The measurements that carry a volume and were not rejected, with the reader's volumes in their place or not."""
    from app.report.charts import Measured  # noqa: PLC0415  # its libraries are an extra

    for item, review in reviewed(state, MeasurementFilter(subject=query.subject)):
        by_reader = review.edit.head_volume_ml if edited and review.edit is not None else None
        volume_ml = item.head_volume_ml if by_reader is None else by_reader
        rejected = review.decision is not None and review.decision.decision == "reject"
        if volume_ml is not None and not rejected:
            yield Measured(
                subject=item.subject,
                at=item.created_at,
                weeks=item.gestational_age_weeks,
                volume_ml=volume_ml,
                interval_ml=item.head_volume_interval_ml if by_reader is None else None,
                verdict=item.verdict,
                input_sha256=item.input_sha256,
            )
