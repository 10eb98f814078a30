import json
import re
from pathlib import Path

import onnx
import pytest

from benchmarks.__main__ import main
from benchmarks.ceiling import network_gflop
from benchmarks.comparison import Plan, compare
from benchmarks.machine import commit, machine
from tests.app.inference.test_session import convolutional_network
from tests.makers import publish_threshold_model

STAGES = ["decode", "preprocess", "context_level_1", "context_level_2", "restore", "encode", "total"]
FIELDS = {"name", "value", "unit", "median_of", "shape", "runtime", "precision", "commit"}


def test_every_stage_is_timed_printed_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_threshold_model(tmp_path / "store")
    monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FETALHEAD_PROVIDER", "cpu")
    assert main(["--stages-only", "--spacing", "3", "--repeats", "1", "--output", str(tmp_path / "results")]) == 0
    (file,) = (tmp_path / "results").iterdir()
    records = json.loads(file.read_text(encoding="utf-8"))
    assert [record["name"] for record in records] == [f"segment.{stage}" for stage in STAGES]
    assert all(record.keys() == FIELDS and record["value"] >= 0 for record in records)
    assert records[-1]["value"] >= max(record["value"] for record in records[:-1])
    printed = capsys.readouterr().out
    assert all(f"segment.{stage}" in printed for stage in STAGES)
    assert str(file) in printed


def test_every_way_measures_the_same_head_of_the_same_volume() -> None:
    plan = Plan("smoke", spacing_mm=1.5, shape=(88, 72, 80), rounds=((1.0, 1),), clients=(1, 2), threads=1)
    found = {measurement.name: measurement for measurement in compare(plan)}
    for way in ("straight", "eager", "service"):
        parts = [m.value for name, m in found.items() if name.startswith(way) and m.unit == "s" and "total" not in name]
        assert 0 < max(parts) <= found[f"{way}.total"].value
    assert found["dsc.service_and_straight"].value == found["dsc.service_and_eager"].value
    assert found["service.peak_memory"].value >= found["service.memory_after"].value > 0
    assert found["clients_2.rate"].value > 0


def test_the_operations_of_a_network_are_counted() -> None:
    model = onnx.load_from_string(convolutional_network())
    first, deep, up, logit = 27 * 16, 125 * 16 * 16 / 8, 8 * 16 * 16 / 8, 27 * 32
    assert network_gflop(model, (16, 16, 16)) == pytest.approx(2 * 16**3 * (first + deep + up + logit) / 1e9)


def test_the_machine_is_named_by_its_processor_alone() -> None:
    assert re.fullmatch(r"[a-z0-9-]+-\d+-cores?", machine())


def test_the_commit_is_a_short_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,}(\+changes)?|unknown", commit())
