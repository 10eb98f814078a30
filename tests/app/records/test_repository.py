import json
import threading
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from app.contract.report import MASK
from app.records.artifacts import ArtifactStore
from app.records.errors import DamagedArtifactError, KeyReusedError, UnknownSegmentationError
from app.records.repository import Repository
from tests.app.records.examples import measurement, request, stored
from tests.helpers.reports import INTERRUPTED


class TestLife:
    def test_a_completed_segmentation_keeps_report_and_files(self, repository: Repository) -> None:
        segmentation_id = stored(repository, input_sha256="b" * 64)
        found = repository.find(segmentation_id)
        assert found.status == "completed"
        assert found.report == measurement().report
        assert repository.read_artifact(segmentation_id, MASK) == b"mask"

    def test_a_report_of_the_first_version_is_read_and_one_of_a_later_version_too(
        self, repository: Repository, engine: Engine
    ) -> None:
        segmentation_id = stored(repository)
        old = measurement().report.model_dump(mode="json")
        old["quality"] = {
            "context_agreement_dsc": 0.98,
            "foreground_entropy": 0.1,
            "components": 1,
            "fov_contact_fraction": 0.0,
        }
        for later in ("subject", "gestational_age_weeks", "review"):
            del old[later]
        for report in (old, {**old, "landmarks": {"centre_mm": [1, 2, 3]}}):
            with engine.begin() as connection:
                connection.execute(text("UPDATE segmentations SET report = :report"), {"report": json.dumps(report)})
            found = repository.find(segmentation_id).report
            assert found is not None
            assert found.quality.model_dump(exclude_none=True) == old["quality"]
            assert found.model_dump(mode="json", include=old.keys() - {"quality"}) == {
                name: value for name, value in old.items() if name != "quality"
            }

    def test_it_survives_a_new_process(self, repository: Repository, engine: Engine, artifacts: ArtifactStore) -> None:
        segmentation_id = stored(repository)
        engine.dispose()
        assert Repository(engine, artifacts).find(segmentation_id).status == "completed"

    def test_a_started_one_cannot_start_twice(self, repository: Repository) -> None:
        new = request()
        repository.accept(new)
        assert repository.start(new.id)
        assert not repository.start(new.id)

    def test_a_failed_one_keeps_the_problem(self, repository: Repository) -> None:
        new = request()
        repository.accept(new)
        repository.fail(new.id, INTERRUPTED)
        found = repository.find(new.id)
        assert (found.status, found.problem) == ("failed", INTERRUPTED)

    def test_an_unknown_id_is_an_error_that_says_so(self, repository: Repository) -> None:
        with pytest.raises(UnknownSegmentationError, match="never existed, or it was erased"):
            repository.find("no-such-id")

    def test_many_threads_may_write_at_once(self, repository: Repository) -> None:
        threads = [threading.Thread(target=stored, args=(repository,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert repository.verify_audit_trail().sequence == 16


class TestRemoval:
    def test_a_finished_one_is_erased_with_its_files(self, repository: Repository, tmp_path: Path) -> None:
        segmentation_id = stored(repository)
        assert repository.remove(segmentation_id) == "completed"
        with pytest.raises(UnknownSegmentationError):
            repository.find(segmentation_id)
        assert not [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]

    def test_an_unfinished_one_is_cancelled_and_its_result_dropped(self, repository: Repository) -> None:
        new = request()
        repository.accept(new)
        repository.start(new.id)
        assert repository.remove(new.id) == "running"
        assert not repository.complete(new.id, measurement())
        found = repository.find(new.id)
        assert (found.status, found.report) == ("cancelled", None)

    def test_a_cancelled_one_does_not_start(self, repository: Repository) -> None:
        new = request()
        repository.accept(new)
        repository.remove(new.id)
        assert not repository.start(new.id)


class TestIdempotency:
    def test_the_same_key_and_content_gives_the_earlier_one(self, repository: Repository) -> None:
        first = stored(repository, idempotency_key="k")
        assert repository.accept(request(idempotency_key="k")).id == first

    def test_the_same_key_with_other_content_is_refused(self, repository: Repository) -> None:
        stored(repository, idempotency_key="k")
        with pytest.raises(KeyReusedError):
            repository.accept(request(idempotency_key="k", request_sha256="c" * 64))
        with pytest.raises(KeyReusedError):
            repository.find_by_key("k", "c" * 64)

    def test_a_key_whose_request_failed_may_be_used_again(self, repository: Repository) -> None:
        first = request(idempotency_key="k")
        repository.accept(first)
        repository.fail(first.id, INTERRUPTED)
        assert repository.find_by_key("k", first.request_sha256) is None
        second = request(idempotency_key="k")
        assert repository.accept(second).id == second.id

    def test_the_key_itself_is_not_stored(self, repository: Repository, engine: Engine) -> None:
        stored(repository, idempotency_key="Jane Doe 1990")
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM segmentations")).all()
        assert "Jane" not in str(rows)

    def test_two_owners_may_use_the_same_key(self, repository: Repository) -> None:
        first, second = (stored(repository, idempotency_key="k", owner=owner) for owner in ("a", "b"))
        assert first != second
        found = repository.find_by_key("k", "a" * 64, "b")
        assert found is not None
        assert found.id == second


class TestRecovery:
    def test_what_an_earlier_process_left_unfinished_has_failed(self, repository: Repository) -> None:
        queued, running, finished = request(), request(), stored(repository)
        for new in (queued, running):
            repository.accept(new)
        repository.start(running.id)
        assert repository.recover(INTERRUPTED) == 2
        statuses = [repository.find(name).status for name in (queued.id, running.id, finished)]
        assert statuses == ["failed", "failed", "completed"]

    def test_files_are_removed_where_the_transaction_fails(
        self, repository: Repository, engine: Engine, tmp_path: Path
    ) -> None:
        new = request()
        repository.accept(new)
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(text("DROP TABLE audit_trail"))
        with pytest.raises(Exception, match="audit_trail"):
            repository.complete(new.id, measurement())
        assert not [path for path in (tmp_path / "artifacts").rglob("*") if path.is_file()]


class TestArtifacts:
    @pytest.mark.parametrize("damage", ["altered", "missing"])
    def test_a_damaged_file_is_not_given_out(self, repository: Repository, tmp_path: Path, damage: str) -> None:
        segmentation_id = stored(repository)
        path = next((tmp_path / "artifacts").rglob(MASK))
        path.write_bytes(b"other") if damage == "altered" else path.unlink()
        with pytest.raises(DamagedArtifactError, match="restore it from a backup"):
            repository.read_artifact(segmentation_id, MASK)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_runs_in_wal_mode_with_full_flushes_and_overwrites_what_it_deletes(engine: Engine) -> None:
    names = ("journal_mode", "synchronous", "secure_delete")
    with engine.connect() as connection:
        pragmas: list[Any] = [connection.execute(text(f"PRAGMA {name}")).scalar() for name in names]
    assert pragmas == ["wal", 2, 1]
