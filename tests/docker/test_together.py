"""Service, database, proxy, Prometheus and Alertmanager at once, on the very files that docker-compose.yml mounts."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.docker.enclosure import run_enclosed
from tests.helpers.system_packages import require

pytestmark = pytest.mark.slow

TIMEOUT_S = 900.0
LARGEST_ERROR = 0.2
PROGRAMS = {
    "nginx": "nginx-light",
    "initdb": "postgresql",
    "prometheus": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "setpriv": "util-linux",
    "openssl": "openssl",
}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What happened, of which some 90 s are waiting: Prometheus looks every 15 s, and the alert waits for a minute."""
    if os.geteuid() != 0:
        pytest.skip("needs root: programs with users, names and mounts of their own")
    for program, package in PROGRAMS.items():
        require(program, package)
    result = run_enclosed("tests.docker.together", tmp_path_factory.mktemp("place"), TIMEOUT_S)
    assert result.returncode == 0, result.stderr
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_head_is_measured_through_the_proxy(seen: dict[str, Any]) -> None:
    report = seen["report"]
    assert report["verdict"] in {"ok", "review"}
    assert report["head_volume_ml"] == pytest.approx(seen["true_volume_ml"], rel=LARGEST_ERROR)


def test_the_way_in_is_closed_to_strangers(seen: dict[str, Any]) -> None:
    assert seen["without_key"] == 401
    assert seen["without_tls"] == 400
    assert seen["metrics_outside"] == 404


def test_the_answer_carries_each_hardening_header_once(seen: dict[str, Any]) -> None:
    headers = seen["headers"]
    assert headers["server"] == "nginx"
    assert headers["strict-transport-security"] == "max-age=31536000"
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")


def test_the_measurement_is_counted_by_prometheus(seen: dict[str, Any]) -> None:
    (series,) = seen["scraped"]
    assert series["metric"]["instance"] == "service:8000"
    assert series["metric"]["verdict"] == seen["report"]["verdict"]
    assert series["value"][1] == "1"


def test_a_database_that_is_gone_is_told_to_the_client_and_to_the_operators(seen: dict[str, Any]) -> None:
    assert seen["without_database"] == "database_unavailable"
    alert = seen["alert"]
    assert alert["labels"]["severity"] == "critical"
    assert alert["receivers"] == [{"name": "operators"}]
    assert Path(alert["annotations"]["runbook"].partition("#")[0]).name == "operations.md"


def test_nothing_is_lost_over_it(seen: dict[str, Any]) -> None:
    assert seen["report"]["id"] in seen["listed"]
    assert len(seen["listed"]) == 2
    assert seen["mask"] == 200


def test_every_query_of_the_dashboard_finds_something(seen: dict[str, Any]) -> None:
    assert [expression for expression, count in seen["dashboard"].items() if not count] == []
