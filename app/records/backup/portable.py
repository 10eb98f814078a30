"""Copying of a database, SQLite or PostgreSQL, into one SQLite file and back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, delete, func, insert, select, text
from sqlalchemy.orm import Session

from app.records.database import open_database, reaching, writing
from app.records.tables import Base, EditedMaskRow, SegmentationRow

BATCH = 500


@dataclass(frozen=True)
class StoredFile:
    """A file that the database names."""

    segmentation_id: str
    name: str
    sha256: str


def write_portable(engine: Engine, path: Path) -> None:
    """Copy a snapshot of the database into a new SQLite file while readers and writers continue.

    SQLite makes the copy itself, page by page. From PostgreSQL every row is read in one transaction that sees the
    state at its beginning; its own tools are not needed, and the copy can be restored into either kind.
    """
    path.unlink(missing_ok=True)
    with reaching(engine):
        if engine.dialect.name == "sqlite":
            _copy_pages(engine, path)
        else:
            _copy_snapshot(engine, path)
    with closing(sqlite3.connect(path)) as copy:
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without the log beside it


def replace_rows(source: Engine, session: Session) -> None:
    """Replace all rows of the session's database by those of `source`; both have this version's schema."""
    with source.connect() as connection:
        for table in reversed(Base.metadata.sorted_tables):
            session.execute(delete(table))
        _copy_rows(connection, session.connection())
    _continue_numbers(session)


def is_empty(engine: Engine) -> bool:
    """Return whether no table has a row."""
    with engine.connect() as connection:
        tables = Base.metadata.sorted_tables
        return all(connection.scalar(select(func.count()).select_from(table)) == 0 for table in tables)


def list_files(engine: Engine) -> Iterator[StoredFile]:
    """Yield every file that belongs to a measurement, edited masks included, one measurement after the other."""
    edits = select(EditedMaskRow.segmentation_id, EditedMaskRow.name, EditedMaskRow.sha256)
    with Session(engine) as session:
        edited: dict[str, list[StoredFile]] = {}
        for segmentation_id, name, sha256 in session.execute(edits):
            edited.setdefault(segmentation_id, []).append(StoredFile(segmentation_id, name, sha256))
        measured = select(SegmentationRow.id, SegmentationRow.artifacts).order_by(SegmentationRow.sequence)
        for row in session.execute(measured).yield_per(BATCH):
            for name, sha256 in (row.artifacts or {}).items():
                yield StoredFile(row.id, name, sha256)
            yield from edited.get(row.id, [])


def read_schema_revision(engine: Engine) -> str:
    """Return the last migration that was applied to the database."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def _copy_pages(engine: Engine, path: Path) -> None:
    with closing(engine.raw_connection()) as pooled, closing(sqlite3.connect(path)) as target:
        source = pooled.driver_connection
        if not isinstance(source, sqlite3.Connection):
            raise TypeError(f"expected a connection of sqlite3, got {type(source).__name__}")
        source.backup(target)


def _copy_snapshot(engine: Engine, path: Path) -> None:
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    target = open_database(path.resolve())
    try:
        with snapshot.connect() as connection, writing(target) as session:
            _copy_rows(connection, session.connection())
    finally:
        target.dispose()


def _copy_rows(source: Connection, target: Connection) -> None:
    for table in Base.metadata.sorted_tables:
        ordered = select(table).order_by(*table.primary_key)
        for rows in source.execution_options(yield_per=BATCH).execute(ordered).mappings().partitions():
            target.execute(insert(table), [dict(row) for row in rows])


def _continue_numbers(session: Session) -> None:
    """Make PostgreSQL number new rows after the copied ones; SQLite does so by itself."""
    if session.get_bind().dialect.name != "postgresql":
        return
    for table in Base.metadata.sorted_tables:
        for column in table.primary_key:
            if column.autoincrement is True:
                session.execute(text(_CONTINUE.format(table=table.name, column=column.name)))


_CONTINUE = (
    "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), coalesce(max({column}), 0) + 1, false) FROM {table}"
)
