"""The operations manual is complete: every alert has its runbook, every file and setting it names exists."""

import re

import yaml

from app.settings import Settings, environment_name
from tests.helpers.repository import ROOT

MANUAL = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
RULES = yaml.safe_load((ROOT / "docker/prometheus/alerts.yml").read_text(encoding="utf-8"))
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}


def test_every_alert_has_a_runbook_to_which_it_points() -> None:
    runbooks = dict(re.findall(r"^### (Fetalhead\w+)\n\n(.+?)(?=^##|\Z)", MANUAL, re.MULTILINE | re.DOTALL))
    assert [alert for alert in ALERTS if len(runbooks.get(alert, "").split()) < 5] == []
    pointers = {alert: rule["annotations"]["runbook"] for alert, rule in ALERTS.items()}
    assert pointers == {alert: f"docs/operations.md#{alert.lower()}" for alert in ALERTS}


def test_every_runbook_belongs_to_an_alert() -> None:
    assert set(re.findall(r"^### (Fetalhead\w+)", MANUAL, re.MULTILINE)) == set(ALERTS)


def test_the_settings_it_names_exist() -> None:
    exist = {environment_name(field) for field in Settings.model_fields}
    assert sorted(set(re.findall(r"FETALHEAD_[A-Z_]+", MANUAL)) - exist) == []


def test_the_files_it_names_exist() -> None:
    named = set(re.findall(r"`((?:docker|tests|docs|scripts)/[\w./-]+)`", MANUAL))
    made = {name for name in named if name.startswith("docker/secrets")}
    assert sorted(name for name in named - made if not (ROOT / name).exists()) == []
