from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.records.artifacts import ArtifactStore
from app.records.database import open_database
from app.records.repository import Repository


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'test.sqlite'}")
    yield engine
    engine.dispose()


@pytest.fixture
def artifacts(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def repository(engine: Engine, artifacts: ArtifactStore) -> Repository:
    return Repository(engine, artifacts)
