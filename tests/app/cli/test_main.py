import argparse
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.cli.main import main, make_parser
from app.console import (
    FAILED,
    FINE,
    NO_MODEL,
    READER_LEFT,
    USAGE,
)
from app.contract.report import MASK
from app.records.lock import FolderLock
from app.records.opening import Records, open_records
from tests.app.records.examples import request, stored
from tests.helpers.makers import publish_threshold_model, sphere_volume, volume_bytes


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii"
    path.write_bytes(volume_bytes(sphere_volume()))
    return path


class TestModels:
    def test_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "list"]) == FINE
        assert capsys.readouterr().out.startswith("fetal_head 1")

    def test_verify(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "verify"]) == FINE
        assert "intact" in capsys.readouterr().out

    def test_verify_finds_an_altered_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = publish_threshold_model(tmp_path / "altered")
        (folder / "context_level_1.onnx").write_bytes(b"altered")
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "altered"))
        assert main(["models", "verify", "--json"]) == FAILED
        assert "SHA-256" in json.loads(capsys.readouterr().out)["problem"]

    def test_list_goes_on_past_a_damaged_version(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for version in (1, 2):
            publish_threshold_model(tmp_path / "two", version)
        (tmp_path / "two/fetal_head/1/manifest.json").write_text("{}")
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "two"))
        assert main(["models", "list"]) == FAILED
        damaged, *_, fine = capsys.readouterr().out.splitlines()
        assert damaged.startswith("fetal_head 1  fetal_head/1/manifest.json: ")
        assert fine.startswith("fetal_head 2  20")

    def test_verify_reads_what_was_measured(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = publish_threshold_model(tmp_path / "altered")
        (folder / "evaluation.json").write_text("{bad")
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "altered"))
        assert main(["models", "verify"]) == FAILED
        assert "evaluation.json is no JSON" in capsys.readouterr().out

    def test_a_reader_that_leaves_ends_it_without_a_word(self) -> None:
        for program in ("app.cli.main", "training.cli.main"):
            script = f"import sys; from {program} import main; sys.exit(main(sys.argv[1:]))"
            arguments = ["models", "list"] if program == "app.cli.main" else ["completion", "bash"]
            read, write = os.pipe()
            os.close(read)
            ended = subprocess.run(
                [sys.executable, "-c", script, *arguments], check=False, stdout=write, stderr=subprocess.PIPE, text=True
            )
            os.close(write)
            assert (ended.returncode, ended.stderr) == (READER_LEFT, ""), program

    def test_an_empty_store(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path))
        assert main(["models", "verify"]) == NO_MODEL
        assert main(["segment", str(scan), "-o", str(tmp_path / "out")]) == NO_MODEL
        assert "holds no model" in capsys.readouterr().err

    def test_an_error_for_machines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path))
        assert main(["models", "verify", "--json"]) == NO_MODEL
        assert json.loads(capsys.readouterr().err)["exit_code"] == NO_MODEL


class TestKeys:
    @pytest.fixture(autouse=True)
    def key_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        path = tmp_path / "secrets" / "keys"
        monkeypatch.setenv("FETALHEAD_API_KEYS_FILE", str(path))
        return path

    def test_a_key_is_shown_once_and_its_hash_is_stored(
        self, key_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["keys", "add", "ward-3", "--role", "reader", "--days", "30"]) == FINE
        key = capsys.readouterr().out.strip()
        assert key.startswith("fetalhead_")
        assert key not in key_file.read_text()
        assert key_file.stat().st_mode & 0o777 == 0o600
        assert main(["keys", "list", "--json"]) == FINE
        listed = json.loads(capsys.readouterr().out)
        assert (listed["name"], listed["role"], listed["expired"]) == ("ward-3", "reader", False)

    def test_a_revoked_key_is_gone(self, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["keys", "add", "ward-3"])
        main(["keys", "add", "ward-4"])
        assert main(["keys", "revoke", "ward-3"]) == FINE
        assert main(["keys", "revoke", "ward-3"]) == FAILED
        assert [line.split()[0] for line in key_file.read_text().splitlines()] == ["#", "ward-4"]

    def test_without_a_file_it_says_which_setting(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_API_KEYS_FILE", "")
        assert main(["keys", "list"]) == USAGE
        assert "FETALHEAD_API_KEYS_FILE" in capsys.readouterr().err


class TestServe:
    def test_it_does_not_open_itself_to_a_network(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_HOST", "0.0.0.0")
        assert main(["serve"]) == USAGE
        assert "FETALHEAD_API_KEYS_FILE" in capsys.readouterr().err

    def test_it_does_not_share_its_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lock = FolderLock(tmp_path / "data")
        assert main(["serve"]) == USAGE
        lock.release()
        assert "in use by another service" in capsys.readouterr().err

    def test_settings_that_need_one_another(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_OIDC_ISSUER", "https://id.example")
        assert main(["serve"]) == USAGE
        assert "FETALHEAD_OIDC_AUDIENCE" in capsys.readouterr().err


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
        assert records.repository.find_ids_of_subject("S-1") == []
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
        lock.release()
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
        assert main(["audit", "verify", "--tip", "three"]) == USAGE
        assert "--tip cannot be used" in capsys.readouterr().err

    def test_a_database_that_cannot_be_opened(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_DATABASE_URL", "sqlite:////not/there/x.sqlite")
        assert main(["audit", "verify"]) == USAGE
        assert "FETALHEAD_DATA_DIR" in capsys.readouterr().err


class TestSettings:
    @pytest.mark.parametrize(("name", "value"), [("FETALHEAD_PORT", "high"), ("FETALHEAD_PROT", "80")])
    def test_settings_that_cannot_be_used(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        assert main(["serve"]) == USAGE
        assert name in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("url", "reason"), [("nonsense", "not a SQLAlchemy URL"), ("sqlite:////no/such/folder/x", "unable to open")]
    )
    def test_a_database_that_cannot_be_used(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, reason: str
    ) -> None:
        monkeypatch.setenv("FETALHEAD_DATABASE_URL", url)
        assert main(["serve"]) == USAGE
        assert reason in capsys.readouterr().err

    def test_a_data_folder_that_cannot_be_written(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scan: Path
    ) -> None:
        monkeypatch.setenv("FETALHEAD_DATA_DIR", str(scan))
        assert main(["serve"]) == USAGE
        assert "cannot be written" in capsys.readouterr().err


def test_the_interface_description_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == FINE
    assert "/segment" in json.loads(capsys.readouterr().out)["paths"]


@pytest.mark.parametrize("arguments", [[], ["dance"], ["segment"], ["models"]])
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE
    assert "usage: fetalhead" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["models", "list", "--json", "--fast"], ["audit", "--json"], ["models", "activate", "two", "--json"]]
)
def test_wrong_arguments_for_machines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == USAGE
    assert json.loads(capsys.readouterr().err)["exit_code"] == USAGE


def test_every_command_that_prints_a_result_takes_json() -> None:
    without = [" ".join(path) for path, command in leaves(make_parser()) if "--json" not in command.format_help()]
    assert without == ["serve", "openapi", "completion"]


def leaves(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield path, parser
    for group in groups:
        for name, command in group.choices.items():
            yield from leaves(command, *path, name)
