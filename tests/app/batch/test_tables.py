"""results.csv and results.jsonl: every case, complete up to the last one."""

import csv
import json
from pathlib import Path

import pytest

from app.batch.cases import find_cases
from app.batch.local import LocalEngine
from app.batch.run import BatchOptions, run_batch
from app.batch.tables import COLUMNS, open_tables
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
