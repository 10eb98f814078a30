"""The service as its users start it: a process of its own."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.service import until

WITHOUT_RUNTIME = """
import sys
sys.modules["onnxruntime"] = sys.modules["openvino"] = None
import app.cli.main
sys.exit(app.cli.main.main(["serve"]))
"""
SERVE = "import sys, app.cli.main; sys.exit(app.cli.main.main(['serve']))"


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    publish_threshold_model(tmp_path / "models")
    own = {"PORT": "0", "DATA_DIR": str(tmp_path / "data"), "MODEL_STORE": str(tmp_path / "models"), "THREADS": "1"}
    return {**os.environ, **{f"FETALHEAD_{name}": value for name, value in own.items()}}


def test_it_starts_measures_and_stops_when_told(environment: dict[str, str], tmp_path: Path) -> None:
    with serving(environment, tmp_path / "log") as (process, client):
        until(lambda: client.get("/health/ready").status_code == 200)
        content = volume_bytes(sphere_volume(), NiftiOptions(compress=True))
        report = client.post("/segment", files={"volume": content}).json()
        assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert "segmentation completed" in [line["message"] for line in lines]


def test_told_to_stop_it_answers_until_its_work_is_done(environment: dict[str, str], tmp_path: Path) -> None:
    content = volume_bytes(sphere_volume(shape=(160, 160, 160), spacing_mm=(1.0, 1.0, 1.0)))
    with serving(environment, tmp_path / "log") as (process, client):
        until(lambda: client.get("/health/ready").status_code == 200)
        places = [post_async(client, content).headers["Location"] for _ in range(8)]
        process.send_signal(signal.SIGTERM)
        until(lambda: client.get("/health/ready").status_code == 503)
        for refused in (client.get("/health/ready"), post_async(client, content)):
            assert refused.json()["code"] == "stopping"
            assert int(refused.headers["Retry-After"]) > 0
        with httpx.Client(base_url=client.base_url) as newcomer:
            assert newcomer.get(places[0]).status_code == 200
        assert client.get(places[-1]).json()["status"] in {"queued", "running"}
        assert process.wait(120) == -signal.SIGTERM
    with serving(environment, tmp_path / "log2") as (_, client):
        assert {client.get(place).json()["status"] for place in places} == {"completed"}


def test_work_that_takes_too_long_is_told_that_it_was_interrupted(environment: dict[str, str], tmp_path: Path) -> None:
    content = volume_bytes(sphere_volume(shape=(160, 160, 160), spacing_mm=(1.0, 1.0, 1.0)))
    with serving({**environment, "FETALHEAD_SHUTDOWN_TIMEOUT_S": "0"}, tmp_path / "log") as (process, client):
        until(lambda: client.get("/health/ready").status_code == 200)
        places = [post_async(client, content).headers["Location"] for _ in range(8)]
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == -signal.SIGTERM
    with serving(environment, tmp_path / "log2") as (_, client):
        assert client.get(places[-1]).json()["problem"]["code"] == "interrupted"


def test_a_port_that_is_taken_is_named_in_the_last_line(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        result = subprocess.run(
            [sys.executable, "-c", SERVE],
            env={**environment, "FETALHEAD_PORT": str(port)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert result.returncode == 2
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"fetalhead: Nothing can listen at 127.0.0.1:{port} (Address already in use)")
    assert "FETALHEAD_PORT" in last


def test_a_measurement_survives_the_process_being_killed(environment: dict[str, str], tmp_path: Path) -> None:
    with serving(environment, tmp_path / "log") as (process, client):
        until(lambda: client.get("/health/ready").status_code == 200)
        report = client.post("/segment", files={"volume": volume_bytes(sphere_volume())}).json()
        process.kill()
        process.wait(20)
    with serving(environment, tmp_path / "log2") as (process, client):
        assert client.get(f"/segmentations/{report['id']}").json() == report
        assert client.get(report["mask"]).status_code == 200
        process.terminate()


def test_without_a_runtime_it_says_what_to_install(environment: dict[str, str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_RUNTIME], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert "pip install 'fetalhead[cpu]'" in result.stderr


def post_async(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/segment", files={"volume": content}, headers={"Prefer": "respond-async"})


@contextmanager
def serving(
    environment: dict[str, str], log: Path, verify: ssl.SSLContext | bool = True
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    with log.open("wb") as output:
        process = subprocess.Popen([sys.executable, "-c", SERVE], env=environment, stderr=output)
    try:
        until(lambda: address(log) is not None or process.poll() is not None)
        with httpx.Client(base_url=str(address(log)), timeout=60.0, verify=verify) as client:
            yield process, client
    finally:
        process.kill()
        process.wait(20)


def address(log: Path) -> str | None:
    found = re.search(r"https?://127\.0\.0\.1:\d+", log.read_text())
    return None if found is None else found.group()
