import pytest

from app.monitoring.metrics import Metrics
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


def test_two_applications_count_apart() -> None:
    one, other = Metrics(), Metrics()
    one.segmentations.labels("ok").inc()
    assert b'fetalhead_segmentations_total{verdict="ok"} 1.0' in one.exposition()[0]
    assert b'verdict="ok"' not in other.exposition()[0]
