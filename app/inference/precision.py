"""Which arithmetic a model runs in: what was asked for, what the model passed, what the machine has."""

from __future__ import annotations

from app.contract.value import Precision
from app.inference.errors import RuntimeUnavailable
from app.inference.manifest import ModelManifest
from app.inference.runtime.engine import CUDA, OPENVINO
from app.inference.runtime.session import RuntimeSettings, preferred_provider, processor_has_bf16

FASTEST: dict[str, Precision] = {CUDA: "fp16", OPENVINO: "bf16"}
"""The precision below single precision that a provider is fastest in."""


def chosen_precision(settings: RuntimeSettings, manifest: ModelManifest) -> Precision:
    """Return the precision to load a model in; raise `RuntimeUnavailable` where it cannot be what was asked for.

    "auto" takes fp16 on CUDA and bf16 on OpenVINO where the model passed that precision's gate and the processor has
    it, else fp32.
    """
    provider = preferred_provider(settings.provider)
    if settings.precision == "auto":
        fastest = FASTEST.get(provider, "fp32")
        passed = manifest.lower_precision(fastest) is not None
        return fastest if passed and _refusal(fastest, provider, manifest) is None else "fp32"
    refusal = _refusal(settings.precision, provider, manifest)
    if refusal is not None:
        remedy = "set FETALHEAD_PRECISION to auto, or to a precision that is there"
        raise RuntimeUnavailable("precision_unavailable", f"{settings.precision} cannot be served: {refusal}", remedy)
    return settings.precision


def _refusal(precision: Precision, provider: str, manifest: ModelManifest) -> str | None:
    """Return why this precision cannot run, None where it can."""
    if precision == "bf16" and provider != OPENVINO:
        return f"{provider} has no bf16, only {OPENVINO} has"
    if precision == "bf16" and not processor_has_bf16():
        return "the processor does not multiply bf16"
    if precision == "fp16" and manifest.lower_precision(precision) is None:
        return f"{manifest.name} {manifest.version} holds no fp16 networks"
    return None
