"""Opening and closing of all records of one service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from app.records.artifacts import ArtifactStore
from app.records.audit import AuditAnchor
from app.records.database import open_database
from app.records.errors import NoRecordsError
from app.records.housekeeping import Housekeeping
from app.records.measurements import Measurements
from app.records.repository import Repository
from app.records.reviews import Reviews

ARTIFACTS = "artifacts"
ANCHOR = "audit.tip"


@dataclass(frozen=True)
class Records:
    """All records of one service, by what they are used for."""

    engine: Engine
    artifacts: ArtifactStore
    repository: Repository
    measurements: Measurements
    reviews: Reviews
    housekeeping: Housekeeping
    anchor: AuditAnchor

    def close(self) -> None:
        """Close the database's connections."""
        self.engine.dispose()


def open_records(database: str | Path, data_dir: Path, make: bool = True) -> Records:
    """Open the records in a database and a folder; `make` creates them where there are none.

    Raises:
        DatabaseUnavailableError: the database cannot be opened.
        NoRecordsError: there are none, and `make` is not set.
        OSError: the folder cannot be written.
    """
    if not make and not data_dir.is_dir():
        raise NoRecordsError(f"no folder {data_dir.absolute()}")
    artifacts = ArtifactStore(data_dir / ARTIFACTS, make)
    engine = open_database(database, make)
    repository = Repository(engine, artifacts, AuditAnchor(data_dir / ANCHOR))
    return Records(
        engine=engine,
        artifacts=artifacts,
        repository=repository,
        measurements=Measurements(engine),
        reviews=Reviews(engine, repository, artifacts),
        housekeeping=Housekeeping(engine, artifacts, repository),
        anchor=AuditAnchor(data_dir / ANCHOR),
    )
