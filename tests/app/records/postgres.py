"""A PostgreSQL server of its own for tests: a new cluster in a temporary folder, reached by a socket in it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.helpers.system_packages import require

PACKAGE = "postgresql"
NOBODY = "nobody"
OPTIONS = "-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c shared_buffers=16MB"


@dataclass(frozen=True)
class Postgres:
    """The running server; `folder` holds its socket."""

    folder: Path
    pg_ctl: str

    def url(self, database: str) -> str:
        """SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://fetalhead@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Makes an empty database and gives its URL."""
        command = [require("createdb", PACKAGE), "-h", str(self.folder), "-U", "fetalhead", database]
        subprocess.run(command, check=True, capture_output=True)
        return self.url(database)

    def control(self, action: str, *options: str) -> None:
        """Starts or stops the server, and waits until it did."""
        command = [self.pg_ctl, "-D", str(self.folder / "data"), "-w", "-l", str(self.folder / "log"), *options, action]
        _as_nobody(command)

    def start(self) -> None:
        """Starts the server."""
        self.control("start", "-o", OPTIONS.format(folder=self.folder))

    def stop(self) -> None:
        """Stops the server at once, as a fault would."""
        self.control("stop", "-m", "immediate")


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A server, as an unprivileged user, since it refuses to run as root."""
    initdb, pg_ctl = require("initdb", PACKAGE), require("pg_ctl", PACKAGE)
    folder = Path(tempfile.mkdtemp(prefix="fetalhead-postgres-", dir="/tmp"))  # a socket's path must be short
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, NOBODY)
        _as_nobody([initdb, "-D", str(folder / "data"), "-U", "fetalhead", "-A", "trust", "-E", "UTF8", "--no-sync"])
        server = Postgres(folder, pg_ctl)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_nobody(command: list[str]) -> None:
    user = pwd.getpwnam(NOBODY).pw_uid if os.geteuid() == 0 else None
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=user, cwd="/tmp")
