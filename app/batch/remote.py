"""The engine that sends uploads to a service."""

from __future__ import annotations

from app.batch.engines import EngineError, Work
from app.batch.results import CaseError, CaseProblem
from app.client import FetalHead, FetalHeadError, ServiceProblem
from app.contract.report import MASK, PREVIEW, Measurement
from app.contract.upload import Upload


class RemoteEngine:
    """An engine that sends several uploads at a time, which the service queues."""

    def __init__(self, service: FetalHead) -> None:
        """Ask which model the service runs; raise an `EngineError` where that fails."""
        self._service = service
        try:
            self.model_sha256 = service.ready().model.sha256
        except FetalHeadError as error:
            raise EngineError(str(error)) from error

    def prepare(self, upload: Upload) -> Work:
        """Send the upload and wait for the result; raise a `CaseError` where there is none."""
        try:
            result = self._service.segment(upload.payload, **upload.fields.model_dump())
        except ServiceProblem as error:
            raise CaseError(CaseProblem(**error.problem.model_dump(exclude_none=True))) from error
        except FetalHeadError as error:
            raise CaseError(CaseProblem(code="service_unreachable", detail=f"{error}.")) from error
        measured = Measurement(result.report, {MASK: result.mask_file, PREVIEW: result.preview_png})
        return lambda: measured
