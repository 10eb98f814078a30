from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, text

from app.records.artifacts import ArtifactStore
from app.records.database import MIGRATIONS, SCHEMA_TABLE, migrate, open_database
from app.records.errors import NoRecordsError
from app.records.repository import Repository
from app.records.tables import Base
from tests.app.records.examples import stored

SCRIPTS = ScriptDirectory(str(MIGRATIONS))
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


def test_they_are_one_chain() -> None:
    assert len(SCRIPTS.get_heads()) == 1


def test_their_files_are_numbered_without_gaps_in_the_order_of_the_chain() -> None:
    names = [Path(script.path).name for script in reversed(list(SCRIPTS.walk_revisions()))]
    assert [name.partition("_")[0] for name in names] == [f"v{number:04}" for number in range(1, len(names) + 1)]


def test_databases_that_are_in_use_stay_known() -> None:
    """A revision that a database remembers, and that no file has, keeps the service from starting."""
    assert REVISIONS == ["0001", "0002", "0010", "0011"]


def test_they_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_an_empty_database_is_left_empty_where_none_is_to_be_made(database_url: str) -> None:
    with pytest.raises(NoRecordsError, match="FETALHEAD_DATABASE_URL"):
        open_database(database_url, make=False)
    untouched = create_engine(database_url)
    assert not inspect(untouched).has_table(SCHEMA_TABLE)
    untouched.dispose()
    open_database(database_url).dispose()
    open_database(database_url, make=False).dispose()


def test_migrating_again_changes_nothing(engine: Engine) -> None:
    migrate(engine)


@pytest.mark.parametrize("revision", [*REVISIONS[:-1], "base"])
def test_down_and_up_again(engine: Engine, repository: Repository, revision: str) -> None:
    segmentation_id = stored(repository)
    migrate(engine, revision)
    tables = set(inspect(engine).get_table_names())
    assert ("segmentations" in tables) == (revision != "base")
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        rows = connection.execute(text("SELECT id, head_volume_ml FROM segmentations")).all()
    assert [tuple(row) for row in rows] == ([] if revision == "base" else [(segmentation_id, 236.4)])


def test_lines_of_the_first_version_still_verify(engine: Engine, artifacts: ArtifactStore) -> None:
    """They were written before there were actors."""
    migrate(engine, "0001")
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO audit_trail (sequence, at, action, segmentation_id, detail, previous_hash, hash) VALUES "
                "(1, '2026-01-01 00:00:00', 'erase', 'x', '{}', :zero, :hash)"
            ),
            {"zero": "0" * 64, "hash": FIRST_LINE},
        )
    migrate(engine)
    assert Repository(engine, artifacts).verify_audit_trail().sequence == 1


FIRST_LINE = "0346444a4606fc941d88d549e3aff29e6eac6658f0a9c181d920fe2ac8e7f207"
"""SHA-256 of `[1, "2026-01-01T00:00:00+00:00", "erase", "x", {}, "000..."]`."""
