"""A disk that is full, or cannot be written: refused with 503, nothing lost, and well again by itself."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.faults.mounts import fill, read_only, small_disk
from tests.helpers.makers import publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import assert_problem, post
from tests.helpers.service_process import SERVE, ServiceProcess

pytestmark = pytest.mark.slow

SPHERE = volume_bytes(sphere_volume())


def test_a_full_disk(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    with small_disk(tmp_path / "data", mebibytes=16), ServiceProcess(tmp_path) as service, service.client() as client:
        before = post(client, SPHERE).json()
        filler = fill(tmp_path / "data")
        refused = post(client, SPHERE)
        assert refused.status_code == 503, refused.text
        assert refused.json()["code"] in {"storage_unavailable", "database_unavailable"}
        assert float(refused.headers["retry-after"]) > 0
        assert client.get("/health/live").status_code == 200
        assert free_bytes(client) < 100_000
        assert client.get(before["mask"]).status_code == 200
        filler.unlink()
        after = post(client, SPHERE)
        assert after.status_code == 200, after.text
        assert measured(client) == {before["id"], after.json()["id"]}
        service.terminate()
        assert_trail_is_whole(service)


def test_a_disk_that_turns_read_only(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    with ServiceProcess(tmp_path) as service, service.client() as client:
        before = post(client, SPHERE).json()
        with read_only(tmp_path / "data/artifacts"):
            assert_problem(post(client, SPHERE), 503, "storage_unavailable")
            assert client.get(before["mask"]).status_code == 200
        after = post(client, SPHERE)
        assert after.status_code == 200, after.text
        assert measured(client) == {before["id"], after.json()["id"]}


def test_a_disk_that_is_read_only_from_the_start(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    service = ServiceProcess(tmp_path)
    with small_disk(tmp_path / "data", mebibytes=1), read_only(tmp_path / "data"):
        command = [sys.executable, "-c", SERVE]
        result = subprocess.run(command, env=service.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "cannot be written" in result.stderr


def free_bytes(client: httpx.Client) -> float:
    lines = client.get("/metrics").text.splitlines()
    (line,) = [line for line in lines if line.startswith("fetalhead_data_free_bytes ")]
    return float(line.split()[1])


def measured(client: httpx.Client) -> set[str]:
    return {item["id"] for item in client.get("/volume").json()["items"]}


def assert_trail_is_whole(service: ServiceProcess) -> None:
    command = [sys.executable, "-c", SERVE.replace("['serve']", "['audit', 'verify']")]
    result = subprocess.run(command, env=service.environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.fixture(autouse=True)
def _nothing_stays_mounted(tmp_path: Path) -> None:
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
