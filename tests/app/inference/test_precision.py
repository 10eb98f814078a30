"""Every choice of precision, for a model that vouches for some and for one that vouches for none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.errors import RuntimeUnavailable
from app.inference.manifest import LowerPrecision, ModelManifest, NetworkFile, PrecisionGate
from app.inference.model_store import ModelStore, StoredModel
from app.inference.precision import choose_precision
from app.inference.runtime.engine import OPENVINO
from app.inference.runtime.session import OnnxSession, RuntimeSettings, available_providers, processor_has_bf16
from app.inference.segmenter import HeadSegmenter
from tests.helpers.convolutional_network import convolutional_network
from tests.helpers.makers import publish_threshold_model

GATE = PrecisionGate(cases=40, dsc_mean=0.9995, dsc_min=0.999, volume_change_percent_max=0.1)

needs_bf16 = pytest.mark.skipif(
    OPENVINO not in available_providers() or not processor_has_bf16(),
    reason="needs OpenVINO and a processor with bf16",
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> StoredModel:
    root: Path = tmp_path_factory.mktemp("store")
    publish_threshold_model(root)
    return ModelStore(root).resolve("fetal_head")


def vouching(manifest: ModelManifest, *precisions: str) -> ModelManifest:
    lower = []
    for precision in precisions:
        levels = (NetworkFile(file="fp16.onnx", sha256="0" * 64, size=1),) if precision == "fp16" else ()
        lower.append(LowerPrecision(precision=precision, levels=levels, gate=GATE))
    return manifest.model_copy(update={"lower_precisions": tuple(lower)})


def settings(provider: Any, precision: Any = "auto") -> RuntimeSettings:
    return RuntimeSettings(provider, 1, precision)


@needs_bf16
@pytest.mark.parametrize(
    ("vouched", "expected"), [((), "fp32"), (("bf16",), "bf16"), (("bf16", "fp16"), "bf16"), (("fp16",), "fp32")]
)
def test_auto_takes_bf16_where_the_model_passed_its_gate(
    stored: StoredModel, vouched: tuple[str, ...], expected: str
) -> None:
    assert choose_precision(settings("openvino"), vouching(stored.manifest, *vouched)) == expected


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_the_plain_processor_provider_computes_in_single_precision(stored: StoredModel, precision: str) -> None:
    assert choose_precision(settings("cpu", precision), vouching(stored.manifest, "bf16", "fp16")) == "fp32"


@pytest.mark.parametrize(("provider", "precision"), [("cpu", "bf16"), ("cpu", "fp16"), ("openvino", "fp16")])
def test_what_cannot_run_is_refused_with_its_reason(stored: StoredModel, provider: str, precision: str) -> None:
    with pytest.raises(RuntimeUnavailable, match=f"{precision} cannot be served") as caught:
        HeadSegmenter(stored, settings(provider, precision))
    assert caught.value.code == "precision_unavailable"


def test_fp16_runs_where_the_model_holds_it(stored: StoredModel) -> None:
    assert choose_precision(settings("cpu", "fp16"), vouching(stored.manifest, "fp16")) == "fp16"


@needs_bf16
def test_bf16_by_name_is_what_runs_and_what_is_told(stored: StoredModel) -> None:
    segmenter = HeadSegmenter(stored, settings("openvino", "bf16"))
    assert (segmenter.provider, segmenter.precision, segmenter.is_fallback) == (OPENVINO, "bf16", False)
    segmenter.selftest()


@needs_bf16
def test_bf16_rounds_more_than_single_precision_does() -> None:
    volume = np.random.default_rng(1).normal(size=(1, 1, 16, 16, 16)).astype(np.float32)
    content = convolutional_network()
    exact, half = (
        OnnxSession(content, ("volume",), "probability", settings("openvino", precision))
        for precision in ("fp32", "bf16")
    )
    assert (exact.precision, half.precision) == ("fp32", "bf16")
    difference = np.abs(exact.run({"volume": volume}) - half.run({"volume": volume})).max()
    assert 1e-6 < difference < 0.05


@pytest.mark.parametrize(
    ("flags", "expected"), [("fpu avx512_bf16 sse", True), ("amx_bf16", True), ("avx2 bf16x", False)]
)
def test_the_processor_says_whether_it_multiplies_bf16(tmp_path: Path, flags: str, expected: bool) -> None:
    information = tmp_path / "cpuinfo"
    information.write_text(f"flags\t\t: {flags}\n")
    assert processor_has_bf16(information) is expected
    assert not processor_has_bf16(tmp_path / "absent")
