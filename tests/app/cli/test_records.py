import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.main import main
from app.console import (
    FAILED,
    FINE,
    USAGE,
)
from app.contract.report import MASK
from app.records.errors import UnknownSegmentationError
from app.records.lock import FolderLock
from app.records.opening import Records, open_records
from tests.app.records.examples import request, stored


class TestRecords:
    @pytest.fixture
    def records(self, tmp_path: Path) -> Iterator[Records]:
        records = open_records(f"sqlite:///{tmp_path / 'data' / 'fetalhead.sqlite'}", tmp_path / "data")
        yield records
        records.close()

    def test_erase_and_purge(self, records: Records, capsys: pytest.CaptureFixture[str]) -> None:
        mine, old = stored(records.repository, subject="S-1"), stored(records.repository)
        assert main(["records", "erase", "--subject", "S-1", "--json"]) == FINE
        assert json.loads(capsys.readouterr().out) == {"erased": [mine]}
        assert main(["records", "purge"]) == USAGE
        assert main(["records", "purge", "--days", "1"]) == FINE
        assert capsys.readouterr().out == "1 segmentations erased\n"
        with pytest.raises(UnknownSegmentationError):
            records.repository.find(mine)
        assert not records.artifacts.holds(old, [MASK])
        assert main(["audit", "verify"]) == FINE

    def test_repair(self, records: Records, capsys: pytest.CaptureFixture[str]) -> None:
        left = request()
        records.repository.accept(left)
        records.artifacts.write(left.id, {MASK: b"mask"})
        records.artifacts.write("stranger", {MASK: b"mask"})
        assert main(["records", "repair"]) == FINE
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "0 half-written and 1 orphaned folders removed"
        assert lines[1].startswith("stranger: this database has no record of it")
        assert records.repository.find(left.id).status == "failed"

    def test_a_measurement_that_lacks_its_mask(self, records: Records, capsys: pytest.CaptureFixture[str]) -> None:
        lacking = stored(records.repository)
        records.artifacts.erase(lacking)
        assert main(["records", "repair", "--json"]) == FAILED
        assert json.loads(capsys.readouterr().out)["incomplete"] == [lacking]

    def test_beside_a_running_service_nothing_of_its_work_is_touched(self, records: Records, tmp_path: Path) -> None:
        at_work = request()
        records.repository.accept(at_work)
        records.artifacts.write(at_work.id, {MASK: b"mask"})
        lock = FolderLock(tmp_path / "data")
        assert main(["records", "repair"]) == FINE
        lock.close()
        assert records.repository.find(at_work.id).status == "queued"
        assert records.artifacts.holds(at_work.id, [MASK])


class TestWithoutRecords:
    """Run in a wrong folder, as from cron: a clean bill for nothing would never be noticed."""

    @pytest.mark.parametrize(
        "arguments",
        [
            ["audit", "verify"],
            ["records", "repair"],
            ["records", "purge", "--days", "1"],
            ["records", "erase", "--subject", "S-1"],
            ["records", "export", "OUT"],
            ["records", "backup", "OUT"],
        ],
    )
    @pytest.mark.parametrize("folder_is_there", [False, True])
    def test_nothing_is_made_and_the_settings_are_named(
        self, arguments: list[str], folder_is_there: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        if folder_is_there:
            (tmp_path / "data").mkdir()
        before = sorted(tmp_path.rglob("*"))
        assert main([argument.replace("OUT", str(tmp_path / "out")) for argument in arguments]) == USAGE
        told = capsys.readouterr()
        assert told.out == ""
        assert "There are no records here" in told.err
        assert str(tmp_path / "data") in told.err
        assert "FETALHEAD_DATA_DIR" in told.err
        assert sorted(tmp_path.rglob("*")) == before

    def test_a_file_that_no_service_opened(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "fetalhead.sqlite").touch()
        assert main(["audit", "verify", "--json"]) == USAGE
        assert json.loads(capsys.readouterr().err)["exit_code"] == USAGE
        assert (tmp_path / "data" / "fetalhead.sqlite").stat().st_size == 0


class TestAudit:
    @pytest.fixture(autouse=True)
    def records(self, tmp_path: Path) -> None:
        open_records(f"sqlite:///{tmp_path / 'data' / 'fetalhead.sqlite'}", tmp_path / "data").close()

    def test_verify(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["audit", "verify"]) == FINE
        assert capsys.readouterr().out.splitlines()[0] == "0 audit lines, none altered"
        assert main(["audit", "verify", "--json"]) == FINE
        assert json.loads(capsys.readouterr().out) == {"lines": 0, "intact": True, "tip": f"0:{'0' * 64}"}

    def test_an_altered_line_is_found(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / "data" / "fetalhead.sqlite") as connection:
            connection.execute(
                "INSERT INTO audit_trail (sequence, at, action, segmentation_id, detail, previous_hash, hash) "
                "VALUES (1, '2026-01-01 00:00:00.000000', 'a', 'b', '{}', 'c', 'd')"
            )
        connection.close()
        assert main(["audit", "verify"]) == FAILED
        assert "line 1" in capsys.readouterr().err

    def test_an_end_that_was_noted_must_be_in_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["audit", "verify", "--tip", f"3:{'a' * 64}"]) == FAILED
        with pytest.raises(SystemExit) as caught:
            main(["audit", "verify", "--tip", "three"])
        assert caught.value.code == USAGE
        assert "--tip: expected the number of a line" in capsys.readouterr().err

    def test_a_database_that_cannot_be_opened(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_DATABASE_URL", "sqlite:////not/there/x.sqlite")
        assert main(["audit", "verify"]) == USAGE
        assert "FETALHEAD_DATA_DIR" in capsys.readouterr().err
