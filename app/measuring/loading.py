"""Loading a published model as the settings ask for it."""

from __future__ import annotations

from app.contract.report import Model, Runtime
from app.inference.manifest import ModelManifest
from app.inference.model_store import ModelStore
from app.inference.remembered_version import remembered_version
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from app.settings import Settings


def starting_version(settings: Settings) -> int | None:
    """Return the version to start with: the setting's, else the one activated last, else None for the newest."""
    if settings.model_version is not None:
        return settings.model_version
    return remembered_version(settings.data_dir, settings.model_name)


def load_segmenter(settings: Settings, version: int | None = None) -> HeadSegmenter:
    """Load a version, or the one to start with, and run its self-test; raise an InferenceError if either fails."""
    wanted = starting_version(settings) if version is None else version
    model = ModelStore(settings.model_store).resolve(settings.model_name, wanted)
    segmenter = HeadSegmenter(model, runtime_settings(settings))
    segmenter.selftest()
    segmenter.warm_up()
    return segmenter


def runtime_settings(settings: Settings) -> RuntimeSettings:
    """Return where and with what precision the networks run."""
    return RuntimeSettings(settings.provider, settings.threads, settings.precision, settings.kept_memory_mb)


def describe_model(manifest: ModelManifest) -> Model:
    """Return the model's name, version and hashes."""
    hashes = tuple(level.sha256 for level in manifest.levels)
    return Model(name=manifest.name, version=manifest.version, sha256=hashes)


def describe_runtime(segmenter: HeadSegmenter) -> Runtime:
    """Return the provider and the precision that the model runs on."""
    return Runtime(provider=segmenter.provider, precision=segmenter.precision)
