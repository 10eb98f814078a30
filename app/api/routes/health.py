"""/health and /metrics: whether the process runs, whether it can measure, and its metrics."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

from fastapi import APIRouter, Header, Response

from app.api.documentation import problems
from app.api.state import State
from app.contract.service import Liveness, Readiness

router = APIRouter(tags=["operation"])


@router.get("/health/live", summary="The process answers")
async def live() -> Liveness:
    """Answer as long as the process runs; restart it if this fails."""
    return Liveness(version=version("fetalhead"))


@router.get(
    "/health/ready",
    summary="The model can measure",
    responses=problems("not_ready", "model_failed", "stopping", "database_unavailable"),
)
async def ready(state: State) -> Readiness:
    """Return the model and its provider once it has passed its self-test; send requests only if this is 200."""
    state.jobs.places.require_open()
    await state.ownership.require()
    return state.model.readiness()


@router.get(
    "/metrics", summary="Prometheus metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}}
)
async def metrics(state: State, accept: Annotated[str, Header(include_in_schema=False)] = "") -> Response:
    """Return the metrics in Prometheus' text format, or as OpenMetrics where that is asked for."""
    content, media_type = state.metrics.exposition(accept)
    return Response(content, headers={"Content-Type": media_type})
