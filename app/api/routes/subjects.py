"""DELETE /subjects/{subject}: erasing all measurements of one subject."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.concurrency import run_in_threadpool

from app.api.documentation import problems
from app.api.security import Caller
from app.api.state import State
from app.contract.service import Erasure
from app.contract.upload import Subject

router = APIRouter(prefix="/subjects", tags=["measurements"])


@router.delete("/{subject}", summary="Erase a subject", responses=problems("invalid_parameter", "database_unavailable"))
async def erase_subject(
    subject: Annotated[Subject, Path(description="Pseudonym.")],
    state: State,
    principal: Caller,
) -> Erasure:
    """Erase every segmentation of a subject: measurements, masks and previews; end those under way. Admins only.

    The audit trail records each erasure, by whom and when, without the pseudonym.
    """
    erased = await run_in_threadpool(state.records.housekeeping.erase_subject, subject, principal.name)
    for segmentation_id in erased:
        state.jobs.end(segmentation_id)
    return Erasure(erased=len(erased))
