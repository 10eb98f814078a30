from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.contract.report import MASK
from app.records.artifacts import ArtifactStore
from app.records.errors import FolderInUseError, UnknownSegmentationError
from app.records.housekeeping import Housekeeping
from app.records.lock import FolderLock
from app.records.repository import Repository
from tests.app.records.examples import request, stored


@pytest.fixture
def housekeeping(engine: Engine, artifacts: ArtifactStore, repository: Repository) -> Housekeeping:
    return Housekeeping(engine, artifacts, repository)


def files(folder: Path) -> list[Path]:
    return [path for path in (folder / "artifacts").rglob("*") if path.is_file()]


class TestErasure:
    def test_everything_of_one_subject_goes(
        self, housekeeping: Housekeeping, repository: Repository, tmp_path: Path
    ) -> None:
        finished, other = stored(repository, subject="S-1"), stored(repository, subject="S-2")
        running = request(subject="S-1")
        repository.accept(running)
        assert set(housekeeping.erase_subject("S-1", "admin")) == {finished, running.id}
        for gone in (finished, running.id):
            with pytest.raises(UnknownSegmentationError):
                repository.find(gone)
        assert repository.find(other).status == "completed"
        assert {path.parent.name for path in files(tmp_path)} == {other}
        repository.verify_audit_trail()

    def test_the_trail_tells_who_erased_but_not_whom(
        self, housekeeping: Housekeeping, repository: Repository, engine: Engine
    ) -> None:
        erased = stored(repository, subject="S-1")
        housekeeping.erase_subject("S-1", "admin")
        with engine.connect() as connection:
            lines = connection.execute(text("SELECT * FROM audit_trail")).all()
        assert "S-1" not in str(lines)
        assert ("admin", "erase", erased) in [(row.actor, row.action, row.segmentation_id) for row in lines]

    @pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
    def test_nothing_of_it_stays_in_sqlites_files(
        self, housekeeping: Housekeeping, repository: Repository, tmp_path: Path
    ) -> None:
        for _ in range(5):
            stored(repository, subject="SUBJECT-TO-ERASE")
        housekeeping.erase_subject("SUBJECT-TO-ERASE", "admin")
        content = b"".join(path.read_bytes() for path in tmp_path.glob("test.sqlite*"))
        assert b"SUBJECT-TO-ERASE" not in content

    def test_what_is_older_than_the_retention_goes(self, housekeeping: Housekeeping, repository: Repository) -> None:
        now = datetime.now(UTC)
        old = stored(repository, created_at=now - timedelta(days=31))
        young = stored(repository, created_at=now - timedelta(days=29))
        at_work = request(created_at=now - timedelta(days=31))
        repository.accept(at_work)
        assert housekeeping.purge(30) == [old]
        assert repository.find(young).status == "completed"
        assert repository.find(at_work.id).status == "queued"
        assert housekeeping.purge(30) == []


class TestRepair:
    def test_what_is_in_order_is_left_alone(self, housekeeping: Housekeeping, repository: Repository) -> None:
        stored(repository)
        found = housekeeping.repair()
        assert (found.half_written, found.removed, found.orphaned, found.incomplete) == (0, 0, (), ())

    def test_files_of_an_erased_measurement_go(
        self, housekeeping: Housekeeping, repository: Repository, artifacts: ArtifactStore
    ) -> None:
        erased = stored(repository)
        repository.remove(erased)
        artifacts.write(erased, {MASK: b"left"})
        assert housekeeping.repair().removed == 1
        assert artifacts.ids() == []

    def test_half_written_files_go(self, housekeeping: Housekeeping, tmp_path: Path) -> None:
        partial = tmp_path / "artifacts" / "ab" / "abc.partial"
        partial.mkdir(parents=True)
        (partial / MASK).write_bytes(b"half")
        beside = partial.with_name("whole") / f"{MASK}.1.2.partial"
        beside.parent.mkdir()
        beside.write_bytes(b"half")
        assert housekeeping.repair().half_written == 2
        assert files(tmp_path) == []

    def test_files_that_the_database_never_heard_of_stay_unless_told(
        self, housekeeping: Housekeeping, artifacts: ArtifactStore
    ) -> None:
        """It may be the wrong database."""
        artifacts.write("another", {MASK: b"mask"})
        assert housekeeping.repair().orphaned == ("another",)
        assert artifacts.ids() == ["another"]
        assert housekeeping.repair(remove_orphans=True).removed == 1
        assert artifacts.ids() == []

    def test_a_measurement_without_its_mask_is_named(
        self, housekeeping: Housekeeping, repository: Repository, tmp_path: Path
    ) -> None:
        lacking = stored(repository)
        next((tmp_path / "artifacts").rglob(MASK)).unlink()
        assert housekeeping.repair().incomplete == (lacking,)

    def test_work_under_way_is_left_alone_while_a_service_runs(
        self, housekeeping: Housekeeping, repository: Repository, artifacts: ArtifactStore
    ) -> None:
        new = request()
        repository.accept(new)
        artifacts.write(new.id, {MASK: b"not yet committed"})
        assert housekeeping.repair(at_work=True).removed == 0
        assert artifacts.ids() == [new.id]


def test_a_folder_serves_one_service_at_a_time(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(FolderInUseError, match="in use by another service"):
        FolderLock(tmp_path)
    lock.close()
    FolderLock(tmp_path).close()
