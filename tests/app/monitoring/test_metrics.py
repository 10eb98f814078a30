import time
from pathlib import Path

import pytest

from app.monitoring.metrics import Metrics
from tests.helpers.certificates import self_signed
from tests.helpers.repository import ROOT

DOCUMENT = (ROOT / "docs" / "metrics.md").read_text("utf-8")
CONTRACT = {
    "fetalhead_requests_total",
    "fetalhead_request_duration_seconds",
    "fetalhead_stage_duration_seconds",
    "fetalhead_queue_depth",
    "fetalhead_queue_wait_seconds",
    "fetalhead_in_flight",
    "fetalhead_rejected_total",
    "fetalhead_segmentations_total",
    "fetalhead_flags_total",
    "fetalhead_head_volume_ml",
    "fetalhead_context_agreement_dsc",
    "fetalhead_model_info",
    "fetalhead_model_ready",
    "fetalhead_provider_fallback",
    "fetalhead_input_voxels",
}


def test_the_metrics_of_the_contract_exist() -> None:
    assert set(Metrics().names()) >= CONTRACT


@pytest.mark.parametrize("name", Metrics().names())
def test_every_metric_is_documented(name: str) -> None:
    assert f"| `{name}` |" in DOCUMENT


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert [line.split("`")[1] for line in DOCUMENT.splitlines() if line.startswith("| `")] == Metrics().names()


def test_the_end_of_a_certificate_is_told_anew_at_each_reading(tmp_path: Path) -> None:
    certificate, _ = self_signed(tmp_path)
    metrics = Metrics()
    metrics.watch_certificates({"proxy": certificate, "service": None})

    def told(owner: str) -> float | None:
        return metrics.registry.get_sample_value("fetalhead_certificate_expiry_timestamp_seconds", {"of": owner})

    assert told("proxy") == pytest.approx(time.time() + 3600, abs=60)
    assert told("service") is None
    certificate.write_text("no certificate")
    assert told("proxy") == 0
    certificate.unlink()
    assert told("proxy") == 0


def test_two_applications_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.segmentations.labels("ok").inc()
    assert b'fetalhead_segmentations_total{verdict="ok"} 1.0' in one.exposition()[0]
    assert b'verdict="ok"' not in other.exposition()[0]
