import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.contract.report import MASK
from app.records.backup.backup import DATABASE, back_up
from app.records.backup.restore import open_backup, restore
from app.records.errors import BackupRefusedError, DamagedBackupError
from app.records.opening import Records, open_records
from tests.app.records.examples import contents, fill, stored


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Iterator[Records]:
    opened = open_records(database_url, tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Records]:
    """An empty SQLite database: a backup restores into either kind."""
    opened = open_records(f"sqlite:///{tmp_path / 'target.sqlite'}", tmp_path / "target")
    yield opened
    opened.close()


def test_every_row_file_and_line_comes_back(records: Records, target: Records, tmp_path: Path) -> None:
    first = fill(records)
    (tmp_path / "data/active_model.json").write_text('{"name":"fetal_head","version":1}')
    made = back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")
    assert (made.segmentations, made.files, made.flaws) == (3, 5, ())
    with open_backup(tmp_path / "backup", tmp_path / "scratch") as backup:
        tip = restore(backup, target, tmp_path / "target", "console:it")
    assert target.repository.read_artifact(first, MASK) == b"mask"
    edited = target.reviews.read_edited_mask(first)
    assert edited is not None
    assert edited[1] == b"edited"
    assert target.repository.find(first) == records.repository.find(first)
    assert target.reviews.history(first) == records.reviews.history(first)
    assert target.repository.verify_audit_trail() == tip
    assert tip.sequence == records.repository.verify_audit_trail().sequence + 1
    assert (tmp_path / "target/active_model.json").is_file()
    assert not list(tmp_path.rglob("*.partial"))


def test_it_goes_on_from_there_in_the_same_kind_of_database(records: Records, tmp_path: Path) -> None:
    """Restored over what came after, and new measurements get numbers of their own."""
    fill(records)
    back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")
    before = contents(records.engine)
    later = stored(records.repository)
    with open_backup(tmp_path / "backup", tmp_path / "scratch") as backup:
        with pytest.raises(BackupRefusedError, match="--force"):
            restore(backup, records, tmp_path / "data", "console:it")
        restore(backup, records, tmp_path / "data", "console:it", replace=True)
    assert contents(records.engine) == before
    assert later not in records.artifacts.ids()
    added = stored(records.repository)
    records.reviews.store_mask(added, b"edited", 1.0, "reader")
    records.repository.verify_audit_trail()


def test_an_existing_folder_is_never_written_into(records: Records, tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    with pytest.raises(BackupRefusedError, match="exists already"):
        back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
class TestDamage:
    def test_a_measurement_erased_while_it_is_copied_is_in_neither(self, records: Records, tmp_path: Path) -> None:
        """Its files go after the database was copied: the copy is made anew."""
        first, second = fill(records), stored(records.repository)
        erased: list[str] = []

        def erase(number: int) -> None:
            if number == 1:
                erased.append(second)
                if len(erased) == 1:
                    records.repository.remove(second)

        made = back_up(records, tmp_path / "data", tmp_path / "backup", "console:it", erase)
        assert len(erased) == 2
        assert made.flaws == ()
        with open_backup(tmp_path / "backup", tmp_path / "scratch") as backup:
            assert first in backup.files.ids()
            assert second not in backup.files.ids()

    @pytest.mark.parametrize("name", [MASK, DATABASE, "backup.json"])
    def test_an_altered_file_is_found(self, records: Records, tmp_path: Path, name: str) -> None:
        fill(records)
        back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")
        path = next((tmp_path / "backup").rglob(name))
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        with (
            pytest.raises((DamagedBackupError, BackupRefusedError)),
            open_backup(tmp_path / "backup", tmp_path / "scratch"),
        ):
            pass

    def test_a_missing_file_is_found(self, records: Records, tmp_path: Path) -> None:
        fill(records)
        back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")
        shutil.rmtree(tmp_path / "backup/artifacts")
        with (
            pytest.raises(DamagedBackupError, match="missing or damaged"),
            open_backup(tmp_path / "backup", tmp_path / "scratch"),
        ):
            pass

    def test_what_was_missing_before_is_told_and_the_rest_restored(
        self, records: Records, target: Records, tmp_path: Path
    ) -> None:
        lacking, whole = stored(records.repository), stored(records.repository)
        (tmp_path / "data/artifacts" / lacking[:2] / lacking / MASK).unlink()
        made = back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")
        assert len(made.flaws) == 1
        assert lacking in made.flaws[0]
        with open_backup(tmp_path / "backup", tmp_path / "scratch") as backup:
            restore(backup, target, tmp_path / "target", "console:it")
        assert target.repository.read_artifact(whole, MASK) == b"mask"

    def test_another_end_of_the_trail_is_missed(self, records: Records, tmp_path: Path) -> None:
        stored(records.repository)
        back_up(records, tmp_path / "data", tmp_path / "backup", "console:it")
        stored(records.repository)
        later = records.repository.verify_audit_trail()
        with (
            pytest.raises(DamagedBackupError, match="Audit line"),
            open_backup(tmp_path / "backup", tmp_path / "scratch", [later]),
        ):
            pass
