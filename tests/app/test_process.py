"""The service as its users start it: a process of its own."""

import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.app.api.service import until
from tests.makers import NiftiOptions, publish_threshold_model, sphere_ml, sphere_volume, volume_bytes

WITHOUT_RUNTIME = """
import sys
sys.modules["onnxruntime"] = sys.modules["openvino"] = None
import app.cli
sys.exit(app.cli.main(["serve"]))
"""
SERVE = "import sys, app.cli; sys.exit(app.cli.main(['serve']))"


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
        assert process.wait(20) in {0, -signal.SIGTERM}
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert "segmentation completed" in [line["message"] for line in lines]


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
