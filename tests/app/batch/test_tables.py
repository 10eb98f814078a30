"""results.csv and results.jsonl: every case, complete up to the last one."""

import csv
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.batch.cases import BatchError, find_cases
from app.batch.local import LocalEngine
from app.batch.rows import COLUMNS
from app.batch.run import BatchOptions, run_batch
from app.batch.tables import open_tables
from tests.app.batch.scans import write_scan
from tests.helpers.makers import sphere_ml


def test_the_tables_hold_every_case_as_soon_as_it_is_done(folder: Path, tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    with open_tables(out) as written:
        for number, result in enumerate(run_batch(find_cases([folder], out), out, engine, BatchOptions()), start=1):
            written.add(result)
            assert len((out / "results.jsonl").read_text().splitlines()) == number
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = {Path(row["file"]).parent.name: row for row in csv.DictReader(file)}
    assert set(rows["a"]) == set(COLUMNS)
    assert float(rows["a"]["head_volume_ml"]) == pytest.approx(sphere_ml(30.0), rel=0.02)
    assert float(rows["a"]["head_volume_low_ml"]) < float(rows["a"]["head_volume_ml"])
    assert (rows["b"]["state"], rows["b"]["verdict"], rows["b"]["problem"]) == ("measured", "ok", "")
    assert (rows["in"]["state"], rows["in"]["problem"], rows["in"]["head_volume_ml"]) == ("failed", "not_nifti", "")
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [line["state"] for line in lines] == ["measured", "measured", "failed"]


def test_the_tables_keep_what_other_runs_measured(tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    for name in ("s1", "s2", "s3", "s2"):
        measure(write_scan(tmp_path / f"{name}.nii"), out, engine)
    assert names(out) == ["s1", "s2", "s3"]
    assert [row["state"] for row in read(out)] == ["measured", "kept", "measured"]


def test_runs_at_the_same_time_write_one_table(tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    paths = [write_scan(tmp_path / f"s{number}.nii", 30.0 + number) for number in range(4)]
    with open_tables(out) as first, open_tables(out) as second:
        for tables, path in zip((first, second, first, second), paths, strict=True):
            for result in run_batch(find_cases([path], out), out, engine, BatchOptions()):
                tables.add(result)
                tables.add(result)
    assert names(out) == ["s0", "s1", "s2", "s3"]


def test_a_result_is_in_the_table_though_a_run_was_stopped_before_its_row(tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    measure(write_scan(tmp_path / "s1.nii"), out, engine)
    list(run_batch(find_cases([write_scan(tmp_path / "p2" / "s2.nii")], out), out, engine, BatchOptions()))
    for name, rest in (("results.csv", "half a ro"), ("results.jsonl", '{"file": "ha')):
        with (out / name).open("a", newline="", encoding="utf-8") as file:
            file.write(rest)
    with open_tables(out):
        assert names(out) == ["s1", "s2"]
    assert read(out)[1]["file"] == str(tmp_path / "p2" / "s2.nii")


def test_a_failure_does_not_take_the_place_of_a_result(tmp_path: Path, engine: LocalEngine) -> None:
    path, out = write_scan(tmp_path / "a" / "scan.nii"), tmp_path / "out"
    measure(path, out, engine)
    measure(write_scan(tmp_path / "b" / "scan.nii", 30.0), out, engine)
    path.unlink()
    measure(path, out, engine)
    assert [(Path(row["file"]).parent.name, row["problem"]) for row in read(out)] == [
        ("a", ""), ("b", "result_of_another_file"), ("a", "file_not_read"),
    ]  # fmt: skip
    measure(write_scan(path), out, engine)
    assert [(Path(row["file"]).parent.name, row["state"]) for row in read(out)] == [("b", "failed"), ("a", "kept")]


@pytest.mark.parametrize("name", ["results.csv", "results.jsonl"])
@pytest.mark.parametrize(
    "content",
    ["id,outcome\r\n7,alive\r\n", "[1]\n", "\ufeff" + ",".join(COLUMNS) + "\r\n", ",".join(COLUMNS) + ",note\r\n"],
)
def test_a_table_of_somebody_else_is_left_as_it_is(name: str, content: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode())
    with pytest.raises(BatchError, match=rf"{name} was not written by this command.* -o"), open_tables(tmp_path):
        pass
    assert path.read_bytes() == content.encode()
    path.write_bytes(b"\xff\xfe1")
    with pytest.raises(BatchError, match="was not written"), open_tables(tmp_path):
        pass


@pytest.mark.parametrize("name", ["results.csv", "results.jsonl", ".results.lock"])
@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_left_as_it_is_at_once(name: str, make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / name)
    before = os.lstat(tmp_path / name)
    with pytest.raises(BatchError, match=rf"{name} .* is left as it is. Name another folder with -o"):
        open_tables(tmp_path).__enter__()
    assert os.lstat(tmp_path / name) == before
    assert os.listdir(tmp_path) == [name]


def test_a_table_to_which_somebody_added_a_column_stays(tmp_path: Path, engine: LocalEngine) -> None:
    out = tmp_path / "out"
    measure(write_scan(tmp_path / "s1.nii"), out, engine)
    table = out / "results.csv"
    table.write_text(table.read_text().replace("\n", ",note\n"))
    before = table.read_bytes()
    with pytest.raises(BatchError, match="was changed since"):
        measure(tmp_path / "s1.nii", out, engine)
    assert table.read_bytes() == before


def measure(path: Path, out: Path, engine: LocalEngine) -> None:
    with open_tables(out) as tables:
        for result in run_batch(find_cases([path], out), out, engine, BatchOptions()):
            tables.add(result)


def read(out: Path) -> list[dict[str, str]]:
    """The rows of results.csv."""
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def names(out: Path) -> list[str]:
    """The files of both tables, without folder and ending."""
    lines = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert [line["file"] for line in lines] == [row["file"] for row in read(out)]
    return [Path(line["file"]).stem for line in lines]
