"""Which providers the tests of this environment can run on."""

import pytest

from app.contract.value import ProviderChoice
from app.inference.runtime.engine import CPU, CUDA, OPENVINO
from app.inference.runtime.session import available_providers

CHOICES: dict[str, ProviderChoice] = {CPU: "cpu", OPENVINO: "openvino", CUDA: "cuda"}


def providers(*wanted: str) -> list[object]:
    """Parameters: the choice of each provider, skipped where it is not installed."""
    return [pytest.param(CHOICES[name], marks=needs(name)) for name in wanted or (CPU, OPENVINO)]


def needs(provider: str) -> pytest.MarkDecorator:
    """Skips a test where the provider is not installed."""
    return pytest.mark.skipif(provider not in available_providers(), reason=f"{provider} is not installed")
