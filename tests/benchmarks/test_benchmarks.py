import json
import re
from pathlib import Path

import onnx
import pytest

from benchmarks.__main__ import RESULTS, main
from benchmarks.ceiling import count_network_gflop
from benchmarks.comparison import Plan, compare
from benchmarks.machine import describe_machine, read_commit
from benchmarks.requests import compute_growth
from benchmarks.stops import SHARES, measure_stops
from benchmarks.training import measure_training
from tests.helpers.convolutional_network import convolutional_network
from tests.helpers.makers import publish_threshold_model

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


@pytest.mark.slow
def test_every_way_measures_the_same_head_of_the_same_volume() -> None:
    plan = Plan("smoke", spacing_mm=1.5, shape=(88, 72, 80), rounds=((1.0, 1),), clients=(1, 2), threads=1)
    found = {measurement.name: measurement for measurement in compare(plan)}
    for way in ("straight", "eager", "service"):
        own = {name: m for name, m in found.items() if name.startswith(f"{way}.") and m.unit == "s"}
        parts = [m.value for name, m in own.items() if "total" not in name]
        assert 0 < max(parts) <= found[f"{way}.total"].value
    assert found["dsc.service_and_straight"].value == found["dsc.service_and_eager"].value
    assert found["service.peak_memory"].value >= found["service.memory_after"].value > 0
    assert found["clients_2.rate"].value > 0


def test_the_operations_of_a_network_are_counted() -> None:
    model = onnx.load_from_string(convolutional_network())
    first, deep, up, logit = 27 * 16, 125 * 16 * 16 / 8, 8 * 16 * 16 / 8, 27 * 32
    assert count_network_gflop(model, (16, 16, 16)) == pytest.approx(2 * 16**3 * (first + deep + up + logit) / 1e9)


def test_the_machine_is_named_by_its_processor_alone() -> None:
    assert re.fullmatch(r"[a-z0-9-]+-\d+-cores?", describe_machine())


def test_the_commit_is_a_short_hash() -> None:
    assert re.fullmatch(r"[0-9a-f]{7,}(\+changes)?|unknown", read_commit())


@pytest.mark.slow
def test_requests_in_a_row_leave_a_series_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_threshold_model(tmp_path / "store")
    monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FETALHEAD_PROVIDER", "cpu")
    assert main(["requests", "--count", "2", "--shape", "70", "60", "80", "--output", str(tmp_path / "results")]) == 0
    (file,) = (tmp_path / "results").iterdir()
    total, peak, after, growth = json.loads(file.read_text(encoding="utf-8"))
    for record, unit in ((total, "s"), (peak, "MB"), (after, "MB")):
        assert (record["median_of"], record["unit"], record["shape"]) == (2, unit, [70, 60, 80])
        assert (record["runtime"], record["precision"]) == ("CPUExecutionProvider", "fp32")
        assert min(record["series"]) <= record["value"] <= max(record["series"])
        assert len(record["series"]) == 2
    assert peak["value"] >= after["value"] > 0
    assert growth["unit"] == "%"
    assert str(file) in capsys.readouterr().out


@pytest.mark.parametrize("file", sorted(RESULTS.glob("*.json")), ids=lambda file: file.stem)
def test_every_stored_measurement_has_what_its_readers_expect(file: Path) -> None:
    members = {"name", "value", "unit", "median_of", "shape", "runtime", "precision", "commit"}
    lacking = [
        (record["name"], missing) for record in json.loads(file.read_text()) if (missing := members - set(record))
    ]
    assert lacking == []


def test_growth_is_counted_after_the_warm_up() -> None:
    assert compute_growth([10, 50, 90, 100, 100, 110, 110]) == pytest.approx(10.0)


@pytest.mark.slow
def test_a_level_is_ended_at_every_moment_and_then_answers_as_before() -> None:
    found = {measurement.name.removeprefix("stop."): measurement.value for measurement in measure_stops((48, 48, 48))}
    goes_on_s = [value for name, value in found.items() if name.startswith("goes_on_at_")]
    assert len(goes_on_s) == len(SHARES)
    assert max(goes_on_s) < found["level"] / 2
    assert found["largest_difference_afterwards"] == 0


@pytest.mark.slow
def test_training_is_measured_step_by_step() -> None:
    values = measure_training("smoke", spacing_mm=3.0, phantoms=2, steps=2)
    found = {value.name.removeprefix("training."): value for value in values}
    assert all(measurement.value > 0 for measurement in found.values())
    assert found["volumes"].value == pytest.approx(1 / found["step"].value, rel=0.01)
    assert found["of_the_ceiling"].value == pytest.approx(
        100 * found["network"].value / found["ceiling"].value, rel=0.01
    )
