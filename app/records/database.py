"""Access to the database: opening it, migrating its schema, and transactions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from app.files import path_text
from app.records.errors import DatabaseUnavailableError, NoRecordsError

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=30000",
    "secure_delete=ON",
)
POSTGRES_OPTIONS: dict[str, Any] = {
    "pool_pre_ping": True,  # a restarted server is noticed before a request fails because of it
    "pool_timeout": 10,
    "connect_args": {"connect_timeout": 5, "application_name": "fetalhead"},
}
SCHEMA_TABLE = "alembic_version"
WRITERS_LOCK = 0x66657461
"""Number of the advisory lock that makes writers of several processes take turns: the audit trail is one chain."""


def open_database(database: str | Path, make: bool = True) -> Engine:
    """Open the database and migrate it to this version's schema; `make` creates it where there is none.

    It is the URL of any, or the path of a file of SQLite: a path is no part of a URL, where %, ? and # mean something.

    SQLite runs in write-ahead-log mode with a full flush at each commit: a measurement whose answer was sent survives
    a power cut. Deleted content is overwritten there.

    Raises:
        DatabaseUnavailableError: there is no such database server, or the database cannot be written.
        NoRecordsError: there is no database, or an empty one, and `make` is not set.
    """
    engine = make_engine(database, POSTGRES_OPTIONS)
    shown = show(engine.url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        event.listen(engine, "begin", _begin_elsewhere)
    try:
        if not make:
            _require_schema(engine, shown)
        migrate(engine)
    except DBAPIError as error:
        engine.dispose()
        raise DatabaseUnavailableError(shown, str(error.orig)) from error
    except CommandError as error:
        engine.dispose()
        raise DatabaseUnavailableError(shown, "its schema is from a newer version of fetalhead") from error
    return engine


def make_engine(database: str | Path, postgres_options: Mapping[str, Any]) -> Engine:
    """Return what connects to a database, without connecting yet; the options are those of PostgreSQL alone.

    Raises:
        DatabaseUnavailableError: it is no URL of a database that is known here.
    """
    try:
        parsed = URL.create("sqlite", database=str(database)) if isinstance(database, Path) else make_url(database)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, **(postgres_options if parsed.get_backend_name() == "postgresql" else {}))
    except (ArgumentError, ImportError) as error:
        raise DatabaseUnavailableError(
            "of FETALHEAD_DATABASE_URL", "not a SQLAlchemy URL of a known database"
        ) from error


def migrate(engine: Engine, revision: str = "head") -> None:
    """Apply the migrations that the database lacks; a lower revision (`base`: none) reverts later ones."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        (command.upgrade if revision == "head" else command.downgrade)(config, revision)


@contextmanager
def reading(engine: Engine) -> Iterator[Session]:
    """Open a session for reading; raise DatabaseUnavailableError where the database cannot be reaching."""
    with reaching(engine), Session(engine) as session:
        yield session


@contextmanager
def writing(engine: Engine) -> Iterator[Session]:
    """Open a session that holds the database's write lock and commits at its end."""
    writer = engine.execution_options(writes=True)
    with reaching(engine), Session(writer, expire_on_commit=False) as session, session.begin():
        yield session


def forget_deleted(engine: Engine) -> None:
    """Remove erased content from SQLite's log; PostgreSQL's own vacuum clears its pages."""
    if engine.dialect.name == "sqlite":
        with reaching(engine), closing(engine.raw_connection()) as connection:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def reaching(engine: Engine) -> Iterator[None]:
    """Raise DatabaseUnavailableError where the database is unreachable inside the block."""
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeoutError) as error:
        reason = str(error.orig) if isinstance(error, DBAPIError) else "no connection became free"
        raise DatabaseUnavailableError(show(engine.url), reason) from error


def show(url: URL) -> str:
    """Return a URL for people, without its password."""
    if url.get_backend_name() == "sqlite" and url.database:
        return f"sqlite:///{path_text(url.database)}"
    return url.render_as_string(hide_password=True)


def _require_schema(engine: Engine, shown: str) -> None:
    """Raise NoRecordsError where no service ever opened the database."""
    if _is_missing_file(engine) or not inspect(engine).has_table(SCHEMA_TABLE):
        engine.dispose()
        raise NoRecordsError(f"no database {shown}")


def _is_missing_file(engine: Engine) -> bool:
    """Return whether SQLite's file is missing, so that a connection would create it."""
    path = engine.url.database if engine.dialect.name == "sqlite" else None
    return bool(path) and not (Path(str(path)).is_file() and Path(str(path)).stat().st_size)


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # `_begin_sqlite` begins the transactions, not the driver
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _begin_elsewhere(connection: Connection) -> None:
    if connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
