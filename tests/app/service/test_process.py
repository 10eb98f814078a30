"""The service as its users start it: a process of its own."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.service_process import ServiceProcess

pytestmark = pytest.mark.slow

WITHOUT_RUNTIME = """
import sys
sys.modules["onnxruntime"] = sys.modules["openvino"] = None
from app.cli.main import main
sys.exit(main(["serve"]))
"""
ENDED = -signal.SIGTERM


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish_threshold_model(tmp_path / "models")
    return tmp_path


def test_it_starts_measures_and_stops_when_told(folder: Path) -> None:
    with ServiceProcess(folder) as service, service.client() as client:
        content = volume_bytes(sphere_volume(), NiftiOptions(compress=True))
        report = client.post("/segment", files={"volume": content}).json()
        assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        assert service.terminate() == ENDED
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    assert "segmentation completed" in [line["message"] for line in lines]


def test_told_to_stop_it_answers_until_its_work_is_done(folder: Path) -> None:
    service = ServiceProcess(folder)
    with service, service.client() as client:
        places = [post_async(client).headers["Location"] for _ in range(8)]
        assert service.process is not None
        service.process.terminate()
        service.until(lambda: client.get("/health/ready").status_code == 503)
        for refused in (client.get("/health/ready"), post_async(client)):
            assert refused.json()["code"] == "stopping"
            assert int(refused.headers["Retry-After"]) > 0
        with service.client() as newcomer:
            assert newcomer.get(places[0]).status_code == 200
        assert client.get(places[-1]).json()["status"] in {"queued", "running"}
        assert service.ended() == ENDED
    with service, service.client() as client:
        assert {client.get(place).json()["status"] for place in places} == {"completed"}


def test_work_that_takes_too_long_is_told_that_it_was_interrupted(folder: Path) -> None:
    service = ServiceProcess(folder, {"SHUTDOWN_TIMEOUT_S": "0"})
    with service, service.client() as client:
        places = [post_async(client).headers["Location"] for _ in range(8)]
        assert service.terminate() == ENDED
    with service, service.client() as client:
        assert client.get(places[-1]).json()["problem"]["code"] == "interrupted"


def test_a_port_that_is_taken_is_named_in_the_last_line(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = ended_at_once(ServiceProcess(folder, {"PORT": str(port)}))
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"fetalhead: Nothing can listen at 127.0.0.1:{port} (Address already in use)")
    assert "FETALHEAD_PORT" in last


def test_a_measurement_survives_the_process_being_killed(folder: Path) -> None:
    service = ServiceProcess(folder)
    with service, service.client() as client:
        report = client.post("/segment", files={"volume": volume_bytes(sphere_volume())}).json()
        service.kill()
    with service, service.client() as client:
        assert client.get(f"/segmentations/{report['id']}").json() == report
        assert client.get(report["mask"]).status_code == 200


def test_without_a_runtime_it_says_what_to_install(folder: Path) -> None:
    result = ended_at_once(ServiceProcess(folder, program=WITHOUT_RUNTIME))
    assert result.returncode == 3
    assert "pip install 'fetalhead[cpu]'" in result.stderr


def ended_at_once(service: ServiceProcess) -> subprocess.CompletedProcess[str]:
    """What a service that cannot start says."""
    command = [sys.executable, "-c", service.program]
    return subprocess.run(command, env=service.environment, capture_output=True, text=True, check=False)


def post_async(client: httpx.Client) -> httpx.Response:
    """Send a volume large enough that eight of them take longer than a few questions."""
    content = volume_bytes(sphere_volume(shape=(160, 160, 160), spacing_mm=(1.0, 1.0, 1.0)))
    return client.post("/segment", files={"volume": content}, headers={"Prefer": "respond-async"})
