from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import Service, running_service


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    publish_threshold_model(root)
    return root


@pytest.fixture(scope="session")
def sphere() -> bytes:
    return volume_bytes(sphere_volume(), NiftiOptions(compress=True))


@pytest.fixture
def service(tmp_path: Path, model_store: Path) -> Iterator[Service]:
    with running_service(tmp_path / "data", model_store) as service:
        yield service


@pytest.fixture
def client(service: Service) -> httpx.Client:
    return service.client


@pytest.fixture(scope="module")
def shared_client(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Iterator[httpx.Client]:
    """One service for all tests of a module that leave no trace."""
    with running_service(tmp_path_factory.mktemp("data"), model_store) as service:
        yield service.client
