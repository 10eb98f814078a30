"""The model that is served: loaded and tested after the start, then used by every request."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from app.api.errors import ProblemError
from app.api.schemas import ModelAnswer, Readiness, RuntimeAnswer
from app.inference.errors import InferenceError
from app.inference.manifest import ModelManifest
from app.inference.model_store import ModelStore
from app.inference.segmenter import HeadSegmenter
from app.inference.session import RuntimeSettings
from app.monitoring.logs import exception_fields
from app.monitoring.metrics import Metrics
from app.settings import Settings

log = logging.getLogger("fetalhead.model")


@dataclass(frozen=True)
class Failure:
    """Why no model is served."""

    code: str
    detail: str


class ServedModel:
    """Starting, then ready or failed; requests are served only once it is ready."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._segmenter: HeadSegmenter | None = None
        self._failure: Failure | None = None
        metrics.model_ready.set(0)

    def load(self) -> None:
        """Loads the model and runs its self-test; what goes wrong is kept for `require`. Blocks for seconds."""
        try:
            segmenter = load_segmenter(self._settings)
        except InferenceError as error:
            self._failure = Failure(error.code, error.detail)
            log.error("model failed", extra={"fields": {"code": error.code, "detail": error.detail}})
        except Exception as error:  # whatever a runtime raises: the process lives on and says that it cannot measure
            self._failure = Failure("unforeseen", type(error).__name__)
            log.error("model failed", extra={"fields": exception_fields(error)})
        else:
            self._segmenter = segmenter
            self._announce(segmenter)

    def require(self) -> HeadSegmenter:
        """The model; or the problem that says why there is none."""
        if self._segmenter is not None:
            return self._segmenter
        headers = {"Retry-After": str(self._settings.retry_after_s)}
        if self._failure is not None:
            detail = f"The model is not served ({self._failure.code}): {self._failure.detail}."
            raise ProblemError("model_failed", detail, headers=headers)
        raise ProblemError("not_ready", headers=headers)

    def readiness(self) -> Readiness:
        """What is served and on what it runs; or the problem that says why nothing is."""
        segmenter = self.require()
        return Readiness(
            model=model_answer(segmenter.manifest),
            runtime=runtime_answer(segmenter),
            requested_provider=self._settings.provider,
            requested_precision=self._settings.precision,
            fallback=segmenter.is_fallback,
        )

    def is_active(self, name: str, version: int) -> bool:
        """Whether this is the version that is served."""
        served = self._segmenter
        return served is not None and (served.manifest.name, served.manifest.version) == (name, version)

    def _announce(self, segmenter: HeadSegmenter) -> None:
        manifest, metrics = segmenter.manifest, self._metrics
        hashes = ",".join(level.sha256[:12] for level in manifest.levels)
        labels = (manifest.name, str(manifest.version), hashes, segmenter.provider, segmenter.precision)
        metrics.model_info.labels(*labels).set(1)
        metrics.provider_fallback.set(segmenter.is_fallback)
        metrics.model_ready.set(1)
        fields = {"model": manifest.name, "version": manifest.version, "provider": segmenter.provider}
        log.info("model ready", extra={"fields": fields})


def load_segmenter(settings: Settings) -> HeadSegmenter:
    """The model that the settings name, after its self-test; or an InferenceError."""
    model = ModelStore(settings.model_store).resolve(settings.model_name, settings.model_version)
    segmenter = HeadSegmenter(model, RuntimeSettings(settings.provider, settings.threads, settings.precision))
    segmenter.selftest()
    return segmenter


def model_answer(manifest: ModelManifest) -> ModelAnswer:
    """Which model it is."""
    hashes = tuple(level.sha256 for level in manifest.levels)
    return ModelAnswer(name=manifest.name, version=manifest.version, sha256=hashes)


def runtime_answer(segmenter: HeadSegmenter) -> RuntimeAnswer:
    """What it runs on."""
    return RuntimeAnswer(provider=segmenter.provider, precision=segmenter.precision)
