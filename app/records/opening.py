"""The records of one service, opened together and closed together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from app.records.anchor import AuditAnchor
from app.records.artifacts import ArtifactStore
from app.records.database import open_database
from app.records.housekeeping import Housekeeping
from app.records.measurements import Measurements
from app.records.repository import Repository
from app.records.reviews import Reviews

ARTIFACTS = "artifacts"
ANCHOR = "audit.tip"


@dataclass(frozen=True)
class Records:
    """Everything that reads and writes them."""

    engine: Engine
    artifacts: ArtifactStore
    repository: Repository
    measurements: Measurements
    reviews: Reviews
    housekeeping: Housekeeping
    anchor: AuditAnchor

    def close(self) -> None:
        """Gives the database's connections back."""
        self.engine.dispose()


def open_records(database_url: str, data_dir: Path) -> Records:
    """The records in a database and a folder.

    Raises:
        DatabaseUnavailableError: the database cannot be opened.
        OSError: the folder cannot be written.
    """
    artifacts = ArtifactStore(data_dir / ARTIFACTS)
    engine = open_database(database_url)
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
