from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import Service, running_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    root = tmp_path_factory.mktemp("models")
    publish_threshold_model(root)
    with running_service(tmp_path_factory.mktemp("data"), root, queue_length=0) as service:
        yield service


@pytest.fixture(scope="module")
def url(service: Service) -> str:
    return str(service.client.base_url)


@pytest.fixture(scope="session")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "scan.nii.gz"
    path.write_bytes(volume_bytes(sphere_volume(), NiftiOptions(compress=True)))
    return path
