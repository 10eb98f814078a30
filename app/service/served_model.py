"""The model that is served: loaded and tested after the start, replaced while requests are under way."""

from __future__ import annotations

import logging
import threading
from importlib.metadata import version

from app.contract.service import Readiness
from app.inference.errors import InferenceError
from app.inference.remembered_version import remember_version
from app.inference.segmenter import HeadSegmenter
from app.measuring.loading import describe_model, describe_runtime, load_segmenter
from app.monitoring.logs import describe_exception
from app.monitoring.metrics import Metrics
from app.problems.problem import ProblemError
from app.settings import Settings

log = logging.getLogger("fetalhead.model")


class ServedModel:
    """The model being served: starting, then ready or failed; requests are served only once it is ready.

    A request keeps the model that it began with: after a switch, requests under way finish on the old one.
    """

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._segmenter: HeadSegmenter | None = None
        self._failure: InferenceError | None = None
        self._loading = threading.Lock()
        metrics.model_ready.set(0)

    def load(self) -> None:
        """Load the model and run its self-test; keep a failure for `require`. Blocks for seconds."""
        with self._loading:
            try:
                self._replace(self._load_tested(None))
            except InferenceError as error:
                self._failure = error

    def activate(self, version: int) -> None:
        """Switch to a version that passes its self-test, and remember it. Blocks for seconds.

        Raises:
            ProblemError: `unknown_model` or `activation_failed`; the previous model stays.
        """
        with self._loading:
            try:
                segmenter = self._load_tested(version)
                self._remember(version)  # a version that a restart would not serve again is not activated
            except InferenceError as error:
                self._metrics.activations.labels("failed").inc()
                raise _refuse(version, error) from error
            self._replace(segmenter)
            self._metrics.activations.labels("succeeded").inc()

    def require(self) -> HeadSegmenter:
        """Return the model, or raise the problem that says why there is none."""
        if self._segmenter is not None:
            return self._segmenter
        if self._failure is not None:
            detail = f"The model is not served ({self._failure.code}); the service's log says more."
            raise ProblemError("model_failed", detail)
        raise ProblemError("not_ready")

    def readiness(self) -> Readiness:
        """Return the model that is served and its provider, or raise the problem that says why there is none."""
        segmenter = self.require()
        return Readiness(
            version=version("fetalhead"),
            model=describe_model(segmenter.manifest),
            runtime=describe_runtime(segmenter),
            requested_provider=self._settings.provider,
            requested_precision=self._settings.precision,
            fallback=segmenter.is_fallback,
        )

    def is_active(self, name: str, version: int) -> bool:
        """Whether this version is served."""
        served = self._segmenter
        return served is not None and (served.manifest.name, served.manifest.version) == (name, version)

    def _load_tested(self, version: int | None) -> HeadSegmenter:
        """Load a version (None: the one to start with) and test it; log every failure, raise an InferenceError."""
        try:
            return load_segmenter(self._settings, version)
        except InferenceError as error:
            log.error("model failed", extra={"fields": {"code": error.code, "detail": error.detail}})
            raise
        except Exception as error:  # any error of a runtime: the process goes on and answers that it cannot measure
            log.error("model failed", extra={"fields": describe_exception(error)})
            raise InferenceError("unforeseen", type(error).__name__) from error

    def _remember(self, version: int) -> None:
        try:
            remember_version(self._settings.data_dir, self._settings.model_name, version)
        except OSError as error:
            raise InferenceError("not_remembered", f"FETALHEAD_DATA_DIR cannot be written: {error.strerror}") from error

    def _replace(self, segmenter: HeadSegmenter) -> None:
        self._segmenter, self._failure = segmenter, None
        manifest, metrics = segmenter.manifest, self._metrics
        hashes = ",".join(level.sha256[:12] for level in manifest.levels)
        labels = (manifest.name, str(manifest.version), hashes, segmenter.provider, segmenter.precision)
        metrics.model_info.clear()
        metrics.model_info.labels(*labels).set(1)
        metrics.provider_fallback.set(segmenter.is_fallback)
        metrics.model_ready.set(1)
        fields = {"model": manifest.name, "version": manifest.version, "provider": segmenter.provider}
        log.info("model ready", extra={"fields": fields})


def _refuse(version: int, failure: InferenceError) -> ProblemError:
    if failure.code == "model_not_found":
        return ProblemError("unknown_model", got=f"version {version}")
    detail = f"Version {version} is not served ({failure.code}); the service's log says more."
    return ProblemError("activation_failed", detail)
