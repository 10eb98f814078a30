"""The engine that measures with the model on this machine."""

from __future__ import annotations

from app.batch.engines import Work
from app.contract.upload import Upload
from app.imaging.formats.checks import DecodeLimits
from app.measuring.loading import load_segmenter
from app.measuring.measure import decode, measure
from app.settings import Settings


class LocalEngine:
    """An engine that decodes files in parallel and measures one after the other."""

    def __init__(self, settings: Settings) -> None:
        """Load the model and run its self-test; raise an `InferenceError` where that fails."""
        self._segmenter = load_segmenter(settings)
        self._limits = DecodeLimits(max_bytes=settings.max_unpacked_bytes)
        self.model_sha256 = tuple(level.sha256 for level in self._segmenter.manifest.levels)

    def prepare(self, upload: Upload) -> Work:
        """Decode the upload; return its measurement."""
        decoded = decode(upload, self._limits)
        return lambda: measure(decoded, self._segmenter)
