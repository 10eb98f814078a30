"""Records lie in the folder that was named, whatever its name."""

import os
import shutil
from pathlib import Path

import pytest

import app.records.database
from app.contract.report import MASK
from app.contract.volumes import MeasurementFilter
from app.records.backup.backup import back_up
from app.records.backup.restore import open_backup, restore
from app.records.opening import Records, open_records
from app.settings import Settings
from tests.app.records.examples import fill, stored

NAMES = (
    "study%20A",
    "study A",
    "what?",
    "what",
    "a#b",
    "a?mode=memory",
    "100%",
    "%41",
    "A",
    "file:x",
    ":memory:",
    "a;b&c=d",
)


def opened(folder: Path) -> Records:
    return open_records(Settings(data_dir=folder).database, folder)


def test_two_folders_never_share_records(tmp_path: Path) -> None:
    names = (*NAMES, os.fsdecode(b"M\xfcller"), "胎児")
    for name in names:
        records = opened(tmp_path / name)
        assert records.measurements.page(MeasurementFilter(), 1).items == ()
        stored(records.repository, subject="S-1")
        records.close()
        assert (tmp_path / name / "fetalhead.sqlite").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)


@pytest.mark.parametrize("name", ["study%20A", "what?", "a#b", os.fsdecode(b"M\xfcller")])
def test_backups_come_back_from_and_to_any_folder(name: str, tmp_path: Path) -> None:
    root = tmp_path / name
    records, target = opened(root / "data"), opened(root / "target")
    first = fill(records)
    back_up(records, root / "data", root / "backup", "console:it")
    with open_backup(root / "backup", root / "scratch") as backup:
        restore(backup, target, root / "target", "console:it")
    assert target.repository.read_artifact(first, MASK) == b"mask"
    for one in (records, target):
        one.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_the_program_may_lie_in_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrations = tmp_path / "100%(here)s" / "migrations"
    shutil.copytree(app.records.database.MIGRATIONS, migrations)
    monkeypatch.setattr(app.records.database, "MIGRATIONS", migrations)
    opened(tmp_path / "data").close()
