from pathlib import Path

import pytest

from app.batch.local import LocalEngine
from app.settings import Settings
from tests.app.batch.scans import write_folder


@pytest.fixture(scope="session")
def engine(model_store: Path) -> LocalEngine:
    return LocalEngine(Settings(model_store=model_store, provider="cpu", threads=1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "in")
