"""Accepting a request: its body is read, its volume decoded, its row stored and its segmentation begun."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime

from app.contract.upload import Upload
from app.imaging.formats.checks import DecodeLimits
from app.inference.segmenter import HeadSegmenter
from app.measuring.measure import decode
from app.records.segmentation import NewSegmentation, StoredSegmentation
from app.service.state import ServiceState

ReadUpload = Callable[[], Awaitable[Upload]]


@dataclass(frozen=True)
class Sender:
    """Who sends a request, and its idempotency key, if there is one."""

    owner: str
    key: str | None = None


async def accept(service: ServiceState, sender: Sender, read: ReadUpload) -> StoredSegmentation:
    """Return the segmentation of an upload, under way from now on, or the earlier one that its key belongs to.

    `read` is called once there is a place for the upload.

    Raises:
        ProblemError: the service takes no requests now.
        ImagingError: the volume cannot be measured.
        RecordsError: the key belongs to other content, or the database cannot be reached.
    """
    upload = await _read_repeated(service, sender, read)
    if upload is not None and (earlier := await _find_earlier(service, sender, upload)):
        return earlier
    segmenter = service.model.require()
    await service.ownership.require()
    with service.jobs.places.take() as place:
        upload = upload or await read()
        earlier = await _find_earlier(service, sender, upload)
        return earlier or await _begin(service, sender, upload, segmenter, place)


async def _read_repeated(service: ServiceState, sender: Sender, read: ReadUpload) -> Upload | None:
    """Read a body whose key belongs to an earlier request; this takes no place and needs no model."""
    if sender.key is None or not await asyncio.to_thread(service.records.repository.has_key, sender.key, sender.owner):
        return None
    service.jobs.places.require_open()
    async with service.jobs.repeating:
        return await read()


async def _find_earlier(service: ServiceState, sender: Sender, upload: Upload) -> StoredSegmentation | None:
    key = sender.key
    if key is None:
        return None
    find = service.records.repository.find_by_key
    return await asyncio.to_thread(lambda: find(key, upload.request_sha256, sender.owner))


async def _begin(
    service: ServiceState, sender: Sender, upload: Upload, segmenter: HeadSegmenter, place: ExitStack
) -> StoredSegmentation:
    limits = DecodeLimits(max_bytes=service.settings.max_unpacked_bytes)
    decoded = await service.jobs.decode(lambda: decode(upload, limits))
    new = NewSegmentation(
        id=str(uuid.uuid4()),
        created_at=datetime.now(UTC),
        request_sha256=upload.request_sha256,
        input_sha256=upload.sha256,
        model_name=segmenter.manifest.name,
        model_version=segmenter.manifest.version,
        subject=upload.fields.subject,
        gestational_age_weeks=upload.fields.gestational_age_weeks,
        idempotency_key=sender.key,
        owner=sender.owner,
        model_sha256=",".join(level.sha256 for level in segmenter.manifest.levels),
        spacing_mm=decoded.file.volume.geometry.spacing_mm,
    )
    return await service.jobs.begin(new, decoded, segmenter, place)
