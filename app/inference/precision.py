"""The precision in which a model runs: as requested, as validated for the model, as the machine supports."""

from __future__ import annotations

from app.contract.value import Precision
from app.inference.errors import RuntimeUnavailable
from app.inference.manifest import ModelManifest
from app.inference.runtime.engine import CUDA, OPENVINO
from app.inference.runtime.session import RuntimeSettings, preferred_provider, processor_has_bf16

FASTEST: dict[str, Precision] = {CUDA: "fp16", OPENVINO: "bf16"}
"""The precision below single in which a provider is fastest."""


def choose_precision(settings: RuntimeSettings, manifest: ModelManifest) -> Precision:
    """Return the precision to load a model in; raise `RuntimeUnavailable` if the requested one is impossible.

    "auto" takes fp16 on CUDA and bf16 on OpenVINO if the model passed that precision's gate and the processor
    supports it, else fp32.
    """
    provider = preferred_provider(settings.provider)
    if settings.precision == "auto":
        fastest = FASTEST.get(provider, "fp32")
        passed = manifest.lower_precision(fastest) is not None
        return fastest if passed and _refusal(fastest, provider, manifest) is None else "fp32"
    refusal = _refusal(settings.precision, provider, manifest)
    if refusal is not None:
        remedy = "set FETALHEAD_PRECISION to auto, or to an available precision"
        raise RuntimeUnavailable("precision_unavailable", f"{settings.precision} cannot be served: {refusal}", remedy)
    return settings.precision


def _refusal(precision: Precision, provider: str, manifest: ModelManifest) -> str | None:
    """Return why this precision cannot run, or None if it can."""
    if precision == "bf16" and provider != OPENVINO:
        return f"{provider} does not support bf16, only {OPENVINO} does"
    if precision == "bf16" and not processor_has_bf16():
        return "the processor has no bf16 instructions"
    if precision == "fp16" and manifest.lower_precision(precision) is None:
        return f"{manifest.name} {manifest.version} holds no fp16 networks"
    return None
