"""A machine with a model of its own, for the tests of the commands."""

from pathlib import Path

import pytest

from tests.helpers.makers import publish_threshold_model, sphere_volume, volume_bytes


@pytest.fixture(scope="module")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    publish_threshold_model(root)
    return root


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model_store: Path) -> None:
    values = {"MODEL_STORE": model_store, "DATA_DIR": tmp_path / "data", "PROVIDER": "cpu", "THREADS": 1}
    for name, value in values.items():
        monkeypatch.setenv(f"FETALHEAD_{name}", str(value))


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.nii"
    path.write_bytes(volume_bytes(sphere_volume()))
    return path
