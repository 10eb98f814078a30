from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from app.records.artifacts import ArtifactStore
from app.records.audit import AuditAnchor, AuditEvent, Tip
from app.records.errors import AlteredMeasurementError, BrokenAuditTrailError
from app.records.repository import Repository
from tests.app.records.examples import measurement, request, stored
from tests.helpers.reports import INTERRUPTED

LINES = 5
CHANGES = {
    "detail": 'UPDATE audit_trail SET detail = \'{"verdict": "reject"}\' WHERE sequence = 2',
    "actor": "UPDATE audit_trail SET actor = 'somebody else' WHERE sequence = 2",
    "actor removed": "UPDATE audit_trail SET actor = NULL WHERE sequence = 2",
    "action": "UPDATE audit_trail SET action = 'erase' WHERE sequence = 2",
    "moment": "UPDATE audit_trail SET at = '2020-01-01 00:00:00.000000' WHERE sequence = 2",
    "identifier": "UPDATE audit_trail SET segmentation_id = 'x' WHERE sequence = 2",
    "hash": "UPDATE audit_trail SET hash = 'f' WHERE sequence = 2",
    "removed": "DELETE FROM audit_trail WHERE sequence = 2",
}


@pytest.fixture
def anchored(engine: Engine, artifacts: ArtifactStore, tmp_path: Path) -> Repository:
    """A repository with five lines: two measurements, and one erasure."""
    repository = Repository(engine, artifacts, AuditAnchor(tmp_path / "audit.tip"))
    stored(repository, input_sha256="b" * 64)
    repository.remove(stored(repository, owner="ward-3"), "head-nurse")
    return repository


def run(engine: Engine, *statements: str) -> None:
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))


class TestLines:
    def test_they_say_who_did_what_with_what(self, anchored: Repository, engine: Engine) -> None:
        anchored.note(AuditEvent("admin", "activate model", detail={"version": 2, "sha256": "c" * 64}))
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT actor, action FROM audit_trail ORDER BY sequence")).all()
            first = str(connection.execute(text("SELECT detail FROM audit_trail WHERE sequence = 1")).scalar())
        assert [tuple(row) for row in rows] == [
            ("anonymous", "accept"),
            ("anonymous", "complete"),
            ("ward-3", "accept"),
            ("ward-3", "complete"),
            ("head-nurse", "erase"),
            ("admin", "activate model"),
        ]
        assert "b" * 64 in first
        assert "fetal_head/1" in first

    def test_they_name_the_spacing(self, repository: Repository, engine: Engine) -> None:
        """Lines of before, without it, stand beside them and verify."""
        repository.note(AuditEvent("anonymous", "accept", "x", {"gestational_age_weeks": 26.0}))
        repository.accept(request(spacing_mm=(0.38, 0.38, 0.5)))
        with engine.connect() as connection:
            last = str(connection.execute(text("SELECT detail FROM audit_trail WHERE sequence = 2")).scalar())
        assert "0.38 0.38 0.5" in last
        assert repository.verify_audit_trail().sequence == 2

    def test_a_failure_and_a_cancellation_are_told_too(self, repository: Repository) -> None:
        failed, cancelled = request(), request()
        for new in (failed, cancelled):
            repository.accept(new)
        repository.fail(failed.id, INTERRUPTED)
        repository.cancel(cancelled.id)
        assert repository.verify_audit_trail().sequence == 4


class TestAlteration:
    @pytest.mark.parametrize("change", CHANGES)
    def test_a_changed_or_removed_line_is_found(self, anchored: Repository, engine: Engine, change: str) -> None:
        run(engine, CHANGES[change])
        with pytest.raises(BrokenAuditTrailError) as caught:
            anchored.verify_audit_trail()
        assert caught.value.sequence == 2

    def test_two_lines_in_the_other_order_are_found(self, anchored: Repository, engine: Engine) -> None:
        moves = [(2, 99), (3, 2), (99, 3)]
        run(engine, *(f"UPDATE audit_trail SET sequence = {new} WHERE sequence = {old}" for old, new in moves))
        with pytest.raises(BrokenAuditTrailError) as caught:
            anchored.verify_audit_trail()
        assert caught.value.sequence == 2

    @pytest.mark.parametrize("kept", [0, 1, LINES - 1])
    def test_lost_last_lines_are_found(self, anchored: Repository, engine: Engine, kept: int) -> None:
        assert anchored.verify_audit_trail().sequence == LINES
        run(engine, f"DELETE FROM audit_trail WHERE sequence > {kept}")
        with pytest.raises(BrokenAuditTrailError) as caught:
            anchored.verify_audit_trail()
        assert caught.value.sequence == kept + 1

    def test_a_trail_that_was_made_anew_is_found_by_an_end_that_was_noted(
        self, anchored: Repository, engine: Engine, artifacts: ArtifactStore
    ) -> None:
        noted = Tip.parse(str(anchored.verify_audit_trail()))
        run(engine, "DELETE FROM audit_trail", "DELETE FROM segmentations")
        forger = Repository(engine, artifacts)
        for _ in range(LINES):
            forger.note(AuditEvent("anonymous", "accept"))
        assert forger.verify_audit_trail().sequence == LINES
        with pytest.raises(BrokenAuditTrailError):
            forger.verify_audit_trail([noted])

    @pytest.mark.parametrize(
        "change",
        ["head_volume_ml = 300.0", "verdict = 'reject'", "artifacts = '{}'", "head_volume_ml = NULL"],
    )
    def test_an_altered_measurement_is_found(self, anchored: Repository, engine: Engine, change: str) -> None:
        run(engine, f"UPDATE segmentations SET {change}")
        with pytest.raises(AlteredMeasurementError):
            anchored.verify_audit_trail()

    def test_a_measurement_that_was_slipped_in_is_found(self, anchored: Repository, engine: Engine) -> None:
        new = request()
        anchored.accept(new)
        run(engine, f"UPDATE segmentations SET status = 'completed', verdict = 'ok' WHERE id = '{new.id}'")
        with pytest.raises(AlteredMeasurementError, match=new.id):
            anchored.verify_audit_trail()


class TestAnchor:
    def test_it_never_goes_back(self, tmp_path: Path) -> None:
        anchor = AuditAnchor(tmp_path / "tip")
        later = Tip(7, "a" * 64)
        anchor.advance(later)
        anchor.advance(Tip(6, "b" * 64))
        assert anchor.read() == [later]

    @pytest.mark.parametrize("content", ["", "x", "7:", "7:" + "a" * 63])
    def test_a_damaged_one_counts_as_none(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "tip").write_text(content)
        assert AuditAnchor(tmp_path / "tip").read() == []

    def test_a_measurement_is_stored_before_it_is_anchored(self, anchored: Repository, tmp_path: Path) -> None:
        """A process that dies in between leaves an older end, which is a line of the trail as well."""
        older = (tmp_path / "audit.tip").read_text()
        new = request()
        anchored.accept(new)
        anchored.start(new.id)
        anchored.complete(new.id, measurement())
        (tmp_path / "audit.tip").write_text(older)
        assert anchored.verify_audit_trail().sequence == LINES + 2
