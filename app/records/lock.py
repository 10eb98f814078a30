"""The locks of a service's records: two services would each take the other's work for leftovers of a killed process.

A data folder has a lock file. So has the file of SQLite, for a setting can place it elsewhere. A server of PostgreSQL
has an advisory lock, which it holds for one connection.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, NullPool
from sqlalchemy.exc import SQLAlchemyError

from app.records.database import make_engine, reaching, show
from app.records.errors import DatabaseInUseError, DatabaseUnavailableError, FolderInUseError, InUseError

FILE: Final = "service.lock"
BESIDE_SQLITE: Final = ".lock"
SERVICE_LOCK: Final = 0x68656164
"""Number of the advisory lock that one service of a PostgreSQL database holds."""
PATIENCE_S: Final = 3.0
"""How long a start waits for the lock: a server needs a moment to notice that a killed service is gone."""
PAUSE_S: Final = 0.1
LOCK_OPTIONS: Final[dict[str, Any]] = {
    "poolclass": NullPool,
    "isolation_level": "AUTOCOMMIT",
    "connect_args": {
        "connect_timeout": 5,
        "application_name": "fetalhead lock",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 10000,
    },
}
SERVER_NOTICES: Final = "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
"""A server gives the lock of a machine that lost its power back within half a minute; its default is two hours."""
TAKE: Final = f"SELECT pg_try_advisory_lock({SERVICE_LOCK})"
HOLDS: Final = (
    "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() "
    f"AND classid = 0 AND objid = {SERVICE_LOCK} AND objsubid = 1)"
)


class FolderLock:
    """The lock of a data folder, held from its construction until `close`, or until the process ends in any way."""

    def __init__(self, data_dir: Path) -> None:
        """Take the lock; raise FolderInUseError where another process holds it."""
        data_dir.mkdir(parents=True, exist_ok=True)
        self._descriptor = _lock_file(data_dir / FILE, FolderInUseError(data_dir))

    def close(self) -> None:
        """Release the folder for other processes."""
        os.close(self._descriptor)


class DatabaseLock:
    """The lock of a database, held from its construction until `close`, or until the process ends in any way."""

    def __init__(self, database: str | Path) -> None:
        """Take the lock.

        Raises:
            DatabaseInUseError: another service holds it.
            DatabaseUnavailableError: the database cannot be reached.
        """
        self._engine = make_engine(database, LOCK_OPTIONS)
        self._connection: Connection | None = None
        self._descriptor: int | None = None
        self._turn = threading.Lock()
        if self._engine.dialect.name == "sqlite":
            self._descriptor = _lock_sqlite(self._engine)
        else:
            self._wait()

    def renew(self) -> None:
        """Make sure that the lock is held: take it again where the connection that held it was lost.

        Raises:
            DatabaseInUseError, DatabaseUnavailableError: it is not; call again.
        """
        with self._turn:
            if self._engine.dialect.name != "sqlite" and not self._holds():
                self._take()

    def close(self) -> None:
        """Release the database for other processes."""
        with self._turn:
            self._drop()
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._take()
            except DatabaseInUseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_S)

    def _holds(self) -> bool:
        try:
            return self._connection is not None and bool(self._connection.exec_driver_sql(HOLDS).scalar())
        except SQLAlchemyError:
            return False

    def _take(self) -> None:
        self._drop()
        with reaching(self._engine):
            self._connection = self._engine.connect()
            self._connection.exec_driver_sql(SERVER_NOTICES)
            taken = self._connection.exec_driver_sql(TAKE).scalar()
        if not taken:
            self._drop()
            raise DatabaseInUseError(show(self._engine.url))

    def _drop(self) -> None:
        """Close the connection, which gives the lock back."""
        if self._connection is not None:
            with suppress(SQLAlchemyError):
                self._connection.exec_driver_sql("SELECT pg_advisory_unlock_all()")  # now, not a moment later
            with suppress(SQLAlchemyError):
                self._connection.close()
            self._connection = None


class RecordsLock:
    """Both locks of a service's records, held from its construction until `close`."""

    def __init__(self, database: str | Path, data_dir: Path) -> None:
        """Take both locks; raise what `FolderLock` and `DatabaseLock` raise."""
        with ExitStack() as held:
            held.enter_context(closing(FolderLock(data_dir)))
            self._database = held.enter_context(closing(DatabaseLock(database)))
            self._held = held.pop_all()

    def renew(self) -> None:
        """Make sure that the database is still held, as `DatabaseLock.renew` does."""
        self._database.renew()

    def close(self) -> None:
        """Release folder and database for other processes."""
        self._held.close()


def _lock_sqlite(engine: Engine) -> int | None:
    """Lock the file beside SQLite's; return None for a database in memory.

    SQLite's own file must not be locked: closing it here would release the locks that SQLite holds.
    """
    with reaching(engine), engine.connect() as connection:
        file = connection.exec_driver_sql("SELECT CAST(file AS BLOB) FROM pragma_database_list").scalar()
    engine.dispose()
    if not file:
        return None
    try:
        return _lock_file(Path(os.fsdecode(file) + BESIDE_SQLITE), DatabaseInUseError(show(engine.url)))
    except OSError as error:
        raise DatabaseUnavailableError(show(engine.url), f"its lock file: {error.strerror}") from error


def _lock_file(path: Path, refusal: InUseError) -> int:
    """Return the open descriptor that holds the lock of a file; raise the refusal where another process does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise refusal from error
    return descriptor
