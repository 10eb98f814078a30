"""POST /segment: a volume in, its head's mask and volume out."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

from app.api.answers import GZIP, JSON, ZIP, completed_answer, failure, location, unfinished_answer
from app.api.documentation import problems
from app.api.negotiation import preferred_type
from app.api.security import Caller
from app.api.upload import TEXT_FIELDS, drain, read_upload
from app.api.validation import not_known
from app.contract.report import Report
from app.contract.service import Unfinished
from app.contract.upload import Upload, VolumeFields
from app.imaging.nifti.file import DecodeLimits
from app.inference.segmenter import HeadSegmenter
from app.measuring.measure import Order, decode
from app.problems.problem import ProblemError
from app.records.segmentation import NewSegmentation, StoredSegmentation
from app.service.jobs import Job, Slot
from app.service.state import ServiceState, State

router = APIRouter(tags=["segmentation"])
OFFERS = (JSON, GZIP, ZIP)
CLIENT_LEFT = 499
"""What is counted where the client left before its answer; nobody receives it."""
FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["volume"],
                    "properties": {
                        "volume": {
                            "type": "string",
                            "format": "binary",
                            "description": "NIfTI-1 or NIfTI-2, plain or gzipped.",
                        },
                        **VolumeFields.form_schema(),
                    },
                }
            }
        },
    }
}
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


@dataclass(frozen=True)
class _Wishes:
    """What the request's headers ask for, and who asks; `key` is the Idempotency-Key."""

    owner: str
    media_type: str
    key: str | None
    respond_async: bool


@router.post("/segment", summary="Measure a volume", responses=RESPONSES, openapi_extra=FORM, response_model=None)
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
    """Segments the head in a volume and measures it."""
    try:
        _refuse_query(request)
        wishes = _Wishes(principal.name, _media_type(accept), idempotency_key, _asks_async(prefer))
        upload = await _repeated(state, request, wishes)
        stored = None if upload is None else await _earlier(state, upload, wishes)
        stored = stored or await _new(state, request, upload, wishes)
        return await _answer(state, request, stored, wishes)
    except ProblemError as error:
        if error.kind.code != "upload_timeout":
            await drain(request)
        raise


def _refuse_query(request: Request) -> None:
    """What stands in the query would be lost: everything about a volume is a field of the form."""
    name = next(iter(request.query_params), None)
    if name is None:
        return
    raise ProblemError(
        "invalid_parameter",
        not_known("query", name),
        expected="no parameters in the address",
        remedy=f"Send it as a field of the form: curl -F {name}=..." if name in TEXT_FIELDS else "Leave it out.",
    )


def _media_type(accept: str | None) -> str:
    chosen = preferred_type(accept, OFFERS)
    if chosen is None:
        raise ProblemError("not_acceptable", expected=", ".join(OFFERS))
    return chosen


def _asks_async(prefer: str | None) -> bool:
    preferences = (prefer or "").split(",")
    return any(preference.split(";")[0].strip().lower() == "respond-async" for preference in preferences)


async def _repeated(state: ServiceState, request: Request, wishes: _Wishes) -> Upload | None:
    """The body of a request whose key belongs to an earlier one: it takes no place in the queue and needs no model."""
    if wishes.key is None or not await run_in_threadpool(state.repository.has_key, wishes.key, wishes.owner):
        return None
    state.jobs.require_open()
    async with state.jobs.repeating:
        return await _upload(state, request)


async def _earlier(state: ServiceState, upload: Upload, wishes: _Wishes) -> StoredSegmentation | None:
    key = wishes.key
    if key is None:
        return None
    return await run_in_threadpool(lambda: state.repository.find_by_key(key, upload.request_sha256, wishes.owner))


async def _new(state: ServiceState, request: Request, upload: Upload | None, wishes: _Wishes) -> StoredSegmentation:
    segmenter = state.model.require()
    with state.jobs.slot() as slot:
        return await _accepted(state, upload or await _upload(state, request), wishes, segmenter, slot)


async def _upload(state: ServiceState, request: Request) -> Upload:
    return await read_upload(request, state.settings.max_upload_bytes, state.settings.upload_timeout_s)


async def _accepted(
    state: ServiceState, upload: Upload, wishes: _Wishes, segmenter: HeadSegmenter, slot: Slot
) -> StoredSegmentation:
    """The segmentation of this upload, under way from now on; or the earlier one that its key belongs to."""
    await run_in_threadpool(lambda: upload.request_sha256)
    earlier = await _earlier(state, upload, wishes)
    if earlier is not None:
        return earlier
    limits = DecodeLimits(max_bytes=state.settings.max_unpacked_bytes)
    file, decode_s = await state.jobs.decode(lambda: decode(upload, limits))
    new = NewSegmentation(
        id=str(uuid.uuid4()),
        created_at=datetime.now(UTC),
        request_sha256=upload.request_sha256,
        input_sha256=upload.sha256,
        model_name=segmenter.manifest.name,
        model_version=segmenter.manifest.version,
        subject=upload.fields.subject,
        gestational_age_weeks=upload.fields.gestational_age_weeks,
        idempotency_key=wishes.key,
        owner=wishes.owner,
        model_sha256=",".join(level.sha256 for level in segmenter.manifest.levels),
        spacing_mm=file.volume.geometry.spacing_mm,
    )
    order = Order(
        id=new.id,
        created_at=new.created_at,
        file=file,
        input_sha256=upload.sha256,
        decode_s=decode_s,
        subject=upload.fields.subject,
        gestational_age_weeks=upload.fields.gestational_age_weeks,
    )
    job = state.jobs.expect(new.id)  # first: whoever finds the row must find the job, too
    stored: StoredSegmentation | None = None
    try:
        stored = await run_in_threadpool(state.repository.accept, new)
    finally:
        if stored is None or stored.id != new.id:
            state.jobs.forget(job)
    if stored.id == new.id:
        state.jobs.submit(job, order, segmenter, slot)
    return stored


async def _answer(state: ServiceState, request: Request, stored: StoredSegmentation, wishes: _Wishes) -> Response:
    job = state.jobs.find(stored.id)
    if wishes.respond_async and job is not None:
        body = unfinished_answer(stored, job).model_dump(mode="json")
        headers = {"Location": location(stored.id), "Preference-Applied": "respond-async"}
        return JSONResponse(body, 202, headers=headers)
    if job is not None:
        if await _left(request, job, state.settings.request_timeout_s):
            if wishes.key is None:  # nobody can ask for the result again; with a key, the client will
                await run_in_threadpool(state.repository.cancel, stored.id, wishes.owner)
                state.jobs.end(stored.id)
            return Response(status_code=CLIENT_LEFT)
        stored = await run_in_threadpool(state.repository.find, stored.id)
    if stored.problem is not None:
        raise failure(stored.problem)
    if stored.status != "completed":
        raise ProblemError("not_completed", f"The segmentation was {stored.status}.")
    return await run_in_threadpool(completed_answer, state.repository, stored, wishes.media_type)


async def _left(request: Request, job: Job, timeout_s: float) -> bool:
    """Waits until the job is done; True where the client left before. Raises the problem `result_timeout`."""
    done, gone = (asyncio.ensure_future(wait) for wait in (job.done.wait(), _disconnected(request)))
    try:
        await asyncio.wait((done, gone), timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if not done.done() and not gone.done():
            raise ProblemError("result_timeout", headers={"Location": location(job.id)})
        return not job.done.is_set()
    finally:
        done.cancel()
        gone.cancel()


async def _disconnected(request: Request) -> bool:
    """Returns once the client has left; its body was read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
    return True
