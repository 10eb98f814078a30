"""`fetalhead models activate`: serving another version, in a running service or from its next start."""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from app.client import FetalHead, FetalHeadError, Retries
from app.inference.remembered_version import remember_version
from app.measuring.loading import load_segmenter
from app.settings import Settings

SECONDS = 300.0
"""Loading and testing a model takes seconds, on a busy machine longer."""


class ActivationRefusedError(Exception):
    """The version is not served; the previous one stays."""


def activate_at_next_start(settings: Settings, version: int) -> str:
    """Test a version here and remember it for the next start; return a message, or raise an InferenceError."""
    if settings.model_version is not None and settings.model_version != version:
        raise ActivationRefusedError(
            f"FETALHEAD_MODEL_VERSION is {settings.model_version} and takes precedence; unset it."
        )
    segmenter = load_segmenter(settings, version)
    remember_version(settings.data_dir, settings.model_name, version)
    tested = f"{settings.model_name} {version} passed its self-test ({segmenter.provider})"
    return f"{tested}; the next start serves it, with FETALHEAD_DATA_DIR {settings.data_dir.absolute()}"


def activate_in_service(url: str, version: int, api_key: str | None) -> str:
    """Activate a version in a running service; return a message."""
    try:
        with FetalHead(url, api_key=api_key, timeout_s=SECONDS, retries=Retries(attempts=1)) as service:
            found = service.activate(version)
    except FetalHeadError as error:
        raise ActivationRefusedError(str(error)) from error
    except (httpx.InvalidURL, ValidationError) as error:
        raise ActivationRefusedError(f"{url} did not answer as this service does ({type(error).__name__}).") from error
    return f"{found.model.name} {found.model.version} is served ({found.runtime.provider})"
