import json
import re
from pathlib import Path

import pytest

from benchmarks.__main__ import main
from benchmarks.machine import commit, machine
from tests.makers import publish_threshold_model

STAGES = ["decode", "preprocess", "context_level_1", "context_level_2", "restore", "encode", "total"]
FIELDS = {"name", "value", "unit", "median_of", "shape", "runtime", "precision", "commit"}


def test_every_stage_is_timed_printed_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_threshold_model(tmp_path / "store")
    monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FETALHEAD_PROVIDER", "cpu")
    assert main(["--spacing", "3", "--repeats", "1", "--output", str(tmp_path / "results")]) == 0
    (file,) = (tmp_path / "results").iterdir()
    records = json.loads(file.read_text(encoding="utf-8"))
    assert [record["name"] for record in records] == [f"segment.{stage}" for stage in STAGES]
    assert all(record.keys() == FIELDS and record["value"] >= 0 for record in records)
    assert records[-1]["value"] >= max(record["value"] for record in records[:-1])
    printed = capsys.readouterr().out
    assert all(f"segment.{stage}" in printed for stage in STAGES)
    assert str(file) in printed


def test_the_machine_is_named_by_its_processor_alone() -> None:
    assert re.fullmatch(r"[a-z0-9-]+-\d+-cores?", machine())


def test_the_commit_is_a_short_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,}(\+changes)?|unknown", commit())
