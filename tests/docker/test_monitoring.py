"""Prometheus' rules, Alertmanager's routes and Grafana's dashboard, checked by the tools that will read them."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.monitoring.metrics import Metrics
from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require

RULES = ROOT / "docker/prometheus/alerts.yml"
GROUPS: list[dict[str, Any]] = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
ALERTS = [rule for group in GROUPS for rule in group["rules"]]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "docker/grafana/dashboards/fetalhead.json").read_text(encoding="utf-8"))
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
RULE_TESTS = sorted((ROOT / "tests/docker").glob("*_test.yml"))


def promtool(*arguments: str | Path) -> str:
    command: list[str | Path] = [require("promtool", package="prometheus"), *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_the_configuration_is_valid() -> None:
    assert f"{len(ALERTS)} rules found" in promtool("check", "config", ROOT / "docker/prometheus/prometheus.yml")


@pytest.mark.slow
@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_when_they_should_and_only_then(file: Path) -> None:
    assert "SUCCESS" in promtool("test", "rules", file)


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_each_alert_is_seen_both_firing_and_silent(alert: dict[str, Any]) -> None:
    cases = [case for file in RULE_TESTS for case in yaml.safe_load(file.read_text(encoding="utf-8"))["tests"]]
    checks = [check for case in cases for check in case["alert_rule_test"] if check["alertname"] == alert["alert"]]
    assert {bool(check["exp_alerts"]) for check in checks} == {True, False}


def test_alertmanager_takes_its_configuration() -> None:
    amtool = require("amtool", package="prometheus-alertmanager")
    command: list[str | Path] = [amtool, "check-config", ROOT / "docker/alertmanager/alertmanager.yml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


class TestDashboard:
    def test_its_queries_can_be_parsed(self, tmp_path: Path) -> None:
        rules = [{"record": f"panel:query_{n}", "expr": query} for n, query in enumerate(QUERIES)]
        content = {"groups": [{"name": "dashboard", "rules": rules}]}
        (tmp_path / "rules.yml").write_text(yaml.safe_dump(content).replace("$__rate_interval", "5m"))
        assert f"{len(QUERIES)} rules found" in promtool("check", "rules", tmp_path / "rules.yml")

    def test_it_asks_for_metrics_that_exist(self) -> None:
        used = set(re.findall(r"\bfetalhead_[a-z_]+", " ".join(QUERIES)))
        assert used
        assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} <= set(Metrics().names())

    def test_panels_do_not_overlap_and_use_the_provisioned_source(self) -> None:
        cells: set[tuple[int, int]] = set()
        for panel in DASHBOARD["panels"]:
            box = panel["gridPos"]
            own = {(box["x"] + x, box["y"] + y) for x in range(box["w"]) for y in range(box["h"])}
            assert not own & cells, panel["title"]
            assert max(x for x, _ in own) < 24
            cells |= own
            assert panel["type"] == "row" or panel["datasource"]["uid"] == provisioned_uid()


def provisioned_uid() -> str:
    text = (ROOT / "docker/grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
    uid: str = yaml.safe_load(text)["datasources"][0]["uid"]
    return uid
