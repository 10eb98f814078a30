"""POST /segment: a volume in, its head's mask and volume out."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.api.address import find_root
from app.api.answers import GZIP, JSON, ZIP, completed_answer, find_report, unfinished_answer
from app.api.documentation import describe_body, problems
from app.api.negotiation import preferred_type
from app.api.security import Caller
from app.api.state import State
from app.api.upload import TEXT_FIELDS, drain, read_upload
from app.api.validation import describe_unknown
from app.contract.report import Report, segmentation_path
from app.contract.service import Unfinished
from app.contract.upload import VolumeFields
from app.problems.problem import ProblemError
from app.records.segmentation import StoredSegmentation
from app.service import accepting
from app.service.jobs import Job

router = APIRouter(tags=["segmentation"])
OFFERS = (JSON, GZIP, ZIP)
CLIENT_LEFT = 499
"""The status counted if the client left before its answer; nobody receives it."""
FORMATS = "NIfTI-1 or NIfTI-2, plain or gzipped; NRRD or MetaImage; DICOM Enhanced US Volume; Kretz."
VOLUME = {"type": "string", "format": "binary", "description": FORMATS}
FORM = {"type": "object", "required": ["volume"], "properties": {"volume": VOLUME, **VolumeFields.form_schema()}}
RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "model": Report,
        "description": "The report, the mask (application/gzip), or mask, report and preview (application/zip).",
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}} for media_type in (GZIP, ZIP)},
    },
    202: {"model": Unfinished, "description": "Accepted with Prefer: respond-async; the result will be at Location."},
    **problems(
        "malformed_multipart",
        "unreadable",
        "not_acceptable",
        "upload_timeout",
        "key_reused",
        "body_too_large",
        "too_large",
        "not_multipart",
        "content_coded",
        "not_a_volume",
        "missing_volume",
        "unknown_field",
        "repeated_field",
        "invalid_field",
        "invalid_parameter",
        "not_measurable",
        "internal",
        "queue_full",
        "database_unavailable",
        "not_ready",
        "stopping",
        "model_failed",
        "result_timeout",
        "computation_timeout",
    ),
}


@router.post(
    "/segment",
    summary="Measure a volume",
    responses=RESPONSES,
    openapi_extra=describe_body("multipart/form-data", FORM),
    response_model=None,
)
async def segment(
    request: Request,
    state: State,
    principal: Caller,
    accept: Annotated[str | None, Header(include_in_schema=False)] = None,
    prefer: Annotated[str | None, Header(description="respond-async: answer 202 at once.")] = None,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, description="Same key, same content: computed once.")
    ] = None,
) -> Response:
    """Segment the head in a volume and measure it."""
    settings, sender = state.settings, accepting.Sender(principal.name, idempotency_key)
    try:
        _refuse_query(request)
        media_type = _choose_type(accept)
        read = partial(read_upload, request, settings.max_upload_bytes, settings.upload_timeout_s)
        stored = await accepting.accept(state, sender, read)
        job = state.jobs.find(stored.id)
        if job is not None and _asks_async(prefer):
            return _answer_accepted(stored, job)
        if job is not None and await _client_left(request, job, settings.request_timeout_s):
            if sender.key is None:  # without a key nobody can ask for the result again
                await run_in_threadpool(state.records.repository.cancel, stored.id, sender.owner)
                state.jobs.end(stored.id)
            return Response(status_code=CLIENT_LEFT)
        report = await find_report(state, stored.id)
        return await run_in_threadpool(completed_answer, state.records, report, media_type, find_root(request))
    except ProblemError as error:
        if error.kind.code != "upload_timeout":
            await drain(request)
        raise


def _refuse_query(request: Request) -> None:
    """Refuse query parameters: they would be ignored, as every option is a field of the form."""
    name = next(iter(request.query_params), None)
    if name is None:
        return
    raise ProblemError(
        "invalid_parameter",
        describe_unknown("query", name),
        expected="no parameters in the address",
        remedy=f"Send it as a field of the form: curl -F {name}=..." if name in TEXT_FIELDS else "Leave it out.",
    )


def _choose_type(accept: str | None) -> str:
    chosen = preferred_type(accept, OFFERS)
    if chosen is None:
        raise ProblemError("not_acceptable", expected=", ".join(OFFERS))
    return chosen


def _asks_async(prefer: str | None) -> bool:
    preferences = (prefer or "").split(",")
    return any(preference.split(";")[0].strip().lower() == "respond-async" for preference in preferences)


def _answer_accepted(stored: StoredSegmentation, job: Job) -> Response:
    headers = {"Location": segmentation_path(stored.id), "Preference-Applied": "respond-async"}
    return JSONResponse(unfinished_answer(stored, job).model_dump(mode="json"), 202, headers=headers)


async def _client_left(request: Request, job: Job, timeout_s: float) -> bool:
    """Wait for the job and return whether the client left before it was done; raise `result_timeout`."""
    done, gone = (asyncio.ensure_future(wait) for wait in (job.done.wait(), _disconnected(request)))
    try:
        await asyncio.wait((done, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not done.done() and not gone.done():
            raise ProblemError("result_timeout", headers={"Location": segmentation_path(job.id)})
        return not job.done.is_set()
    finally:
        done.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> bool:
    """Return once the client has left; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True
