"""A restore really killed on its way leaves the former records or the backup's, and is completed by repeating it."""

import shutil
from pathlib import Path

import pytest

from app.contract.report import MASK
from app.records.audit import Tip
from app.records.backup.backup import back_up
from app.records.backup.restore import open_backup, restore
from app.records.opening import Records, open_records
from tests.app.records.examples import contents, fill, stored
from tests.app.records.killing import killed_at

pytestmark = pytest.mark.slow

STEPS = {"sqlite": 31, "postgresql": 97}
"""Every so manieth line of the restore: primes, so that repeated steps are hit at various places."""


def put_back(records: Records, folder: str) -> Tip:
    data = Path(folder)
    with open_backup(data.parent / "backup", data) as backup:
        return restore(backup, records, data, "console:it", replace=True)


def test_killed_at_every_step(database_url: str, tmp_path: Path) -> None:
    first = made_backup(tmp_path)
    data = tmp_path / "data"
    records = open_records(database_url, data)
    line, killed, deaths, former = 1, True, 0, 0
    while killed:
        later = stored(records.repository, subject="S-later")
        before = contents(records.engine)["segmentations"]
        killed = killed_at(line, put_back, records, str(data))
        deaths += killed
        now = contents(records.engine)["segmentations"]
        if now == before:
            former += 1
            assert records.repository.read_artifact(later, MASK) == b"mask"
        put_back(records, str(data))
        check_restored(records, first)
        assert later not in records.artifacts.ids()
        line += STEPS[records.engine.dialect.name]
    records.close()
    assert deaths > 5, "so few steps cannot be all"
    assert 0 < former < deaths


def made_backup(folder: Path) -> str:
    source = open_records(f"sqlite:///{folder / 'source.sqlite'}", folder / "source")
    first = fill(source)
    assert back_up(source, folder / "source", folder / "backup", "console:it").flaws == ()
    source.close()
    shutil.rmtree(folder / "source")
    return first


def check_restored(records: Records, first: str) -> None:
    assert records.repository.read_artifact(first, MASK) == b"mask"
    edited = records.reviews.read_edited_mask(first)
    assert edited is not None
    assert edited[1] == b"edited"
    assert len(contents(records.engine)["segmentations"]) == 3
    found = records.housekeeping.repair()
    assert (found.orphaned, found.incomplete, found.removed, found.half_written) == ((), (), 0, 0)
    records.repository.verify_audit_trail()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_from_sqlite_to_postgresql_and_on_from_there(database_url: str, tmp_path: Path) -> None:
    """The way from the embedded database to the hospital's, as docs/operations.md tells it."""
    first = made_backup(tmp_path)
    records = open_records(database_url, tmp_path / "data")
    with open_backup(tmp_path / "backup", tmp_path / "data") as backup:
        tip = restore(backup, records, tmp_path / "data", "console:it")
    check_restored(records, first)
    assert str(tip) == str(records.repository.verify_audit_trail())
    added = stored(records.repository)
    records.reviews.store_mask(added, b"another", 1.0, "reader")
    records.repository.verify_audit_trail([tip])
    records.close()
