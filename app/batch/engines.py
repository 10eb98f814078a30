"""Who measures: the model on this machine, or a service somewhere else."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from app.client.blocking import FetalHead
from app.client.result import MASK, PREVIEW
from app.contract.report import Report
from app.contract.upload import Upload
from app.imaging.nifti.file import DecodeLimits
from app.inference.segmenter import HeadSegmenter
from app.measuring.loading import load_segmenter
from app.measuring.measure import (
    Order,
    decode,
    finish,
)
from app.settings import Settings

PAGE = "report.pdf"


@dataclass(frozen=True)
class Measured:
    """The report, and the files by their kind, such as `mask.nii.gz`."""

    report: Mapping[str, Any]
    files: Mapping[str, bytes]


Work = Callable[[], Measured]


class Engine(Protocol):
    """Measures uploads."""

    model_sha256: tuple[str, ...]
    """The hashes of the model that measures: a result of another model is not kept."""

    def prepare(self, upload: Upload) -> Work:
        """Do what may run beside other cases, in a thread of its own; give the rest, to be done one at a time."""
        ...


class LocalEngine:
    """The model on this machine: files are decoded beside one another, the network takes one after the other."""

    def __init__(self, settings: Settings) -> None:
        """Load the model and run its self-test, or raise an `InferenceError`."""
        self._segmenter: HeadSegmenter = load_segmenter(settings)
        self._limits = DecodeLimits(max_bytes=settings.max_unpacked_bytes)
        self.model_sha256 = tuple(level.sha256 for level in self._segmenter.manifest.levels)

    def prepare(self, upload: Upload) -> Work:
        """Decode."""
        file, decode_s = decode(upload, self._limits)
        order = Order(
            id=str(uuid.uuid4()),
            created_at=datetime.now(UTC),
            file=file,
            input_sha256=upload.sha256,
            decode_s=decode_s,
            subject=upload.fields.subject,
            gestational_age_weeks=upload.fields.gestational_age_weeks,
        )
        return lambda: self._measure(order)

    def _measure(self, order: Order) -> Measured:
        segmentation = self._segmenter.segment(order.file.volume, order.gestational_age_weeks)
        measurement = finish(order, self._segmenter, segmentation).measurement
        return Measured(measurement.report, {kind: measurement.files[kind] for kind in (MASK, PREVIEW)})


class RemoteEngine:
    """A service: several uploads at a time, which it queues as it likes."""

    def __init__(self, service: FetalHead) -> None:
        """Ask which model it runs, or raise a `FetalHeadError`."""
        self._service = service
        self.model_sha256 = service.ready().model.sha256

    def prepare(self, upload: Upload) -> Work:
        """Upload and wait for the result."""
        result = self._service.segment(upload.payload, **upload.fields.model_dump())
        files = {MASK: result.mask_file, PREVIEW: result.preview_png}
        measured = Measured(result.report.model_dump(mode="json"), files)
        return lambda: measured


def with_page(measured: Measured) -> Measured:
    """The same with a page about it, `report.pdf`; needs the extra `report`."""
    from app.pictures.pdf import draw_report  # noqa: PLC0415  # its libraries are an extra

    report = Report.model_validate(measured.report, extra="ignore")
    page = draw_report(report, measured.files[MASK], measured.files[PREVIEW])
    return replace(measured, files={**measured.files, PAGE: page})
