"""One service at a time has the records, wherever its data folder lies."""

import os
from contextlib import closing
from pathlib import Path

import pytest

from app.records.errors import DatabaseInUseError, DatabaseUnavailableError, FolderInUseError
from app.records.lock import DatabaseLock, FolderLock, RecordsLock
from app.records.opening import open_records
from tests.app.records.postgres import Postgres


def test_a_database_serves_one_service_at_a_time(database_url: str, tmp_path: Path) -> None:
    first = RecordsLock(database_url, tmp_path / "first")
    with pytest.raises(DatabaseInUseError, match="in use by another service") as refused:
        RecordsLock(database_url, tmp_path / "second")
    assert "FETALHEAD_DATABASE_URL" in str(refused.value)
    first.renew()
    first.close()
    RecordsLock(database_url, tmp_path / "second").close()


def test_a_refused_service_leaves_its_own_folder_free(database_url: str, tmp_path: Path) -> None:
    with closing(DatabaseLock(database_url)):
        with pytest.raises(DatabaseInUseError):
            RecordsLock(database_url, tmp_path / "second")
        FolderLock(tmp_path / "second").close()


def test_a_folder_serves_one_service_whatever_its_database(database_url: str, tmp_path: Path) -> None:
    with closing(RecordsLock(tmp_path / "own.sqlite", tmp_path)), pytest.raises(FolderInUseError):
        RecordsLock(database_url, tmp_path)


def test_the_lock_hinders_neither_reading_nor_writing(database_url: str, tmp_path: Path) -> None:
    with closing(RecordsLock(database_url, tmp_path)):
        open_records(database_url, tmp_path).close()


@pytest.mark.parametrize("name", ["plain.sqlite", "what?%20#.sqlite", os.fsdecode(b"M\xfcller.sqlite")])
def test_a_file_of_sqlite_is_one_by_whatever_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    with closing(DatabaseLock(tmp_path / name)), pytest.raises(DatabaseInUseError):
        DatabaseLock(tmp_path / "link" / name)
    DatabaseLock(tmp_path / "link" / name).close()


def test_another_database_of_the_server_is_free(postgres: Postgres) -> None:
    with closing(DatabaseLock(postgres.url("records"))), closing(DatabaseLock(postgres.create("beside"))):
        pass


def test_a_lock_that_was_lost_is_taken_again(postgres: Postgres) -> None:
    url = postgres.url("records")
    with closing(DatabaseLock(url)) as lock:
        postgres.stop()
        try:
            with pytest.raises(DatabaseUnavailableError):
                lock.renew()
        finally:
            postgres.start()
        lock.renew()
        with pytest.raises(DatabaseInUseError):
            DatabaseLock(url)


def test_a_lock_that_was_lost_to_another_comes_back_after_it(postgres: Postgres) -> None:
    url = postgres.url("records")
    with closing(DatabaseLock(url)) as lock:
        postgres.stop()
        postgres.start()
        with closing(DatabaseLock(url)), pytest.raises(DatabaseInUseError):
            lock.renew()
        lock.renew()
