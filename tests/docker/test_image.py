"""The serving image as a hospital gets it: built, started as its user on a read-only root, and measuring."""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.imaging.nifti.file import encode_volume
from tests.docker.container import USER, Container
from tests.docker.image import Builder
from training.phantom import SimulationRequest, simulate

pytestmark = pytest.mark.slow

START_SECONDS = 180.0
SPACING_MM = 1.3
LARGEST_ERROR = 0.15


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    if os.geteuid() != 0:
        pytest.skip("needs root: building an image without a container engine mounts file systems")
    builder = Builder(tmp_path_factory.mktemp("image"))
    builder.prepare()
    return builder


@pytest.fixture(scope="module")
def container(builder: Builder, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    image = builder.make_image()
    configuration = json.loads(builder.run("inspect", "--type=image", image))["Docker"]["config"]
    with builder.mounted(image) as root:
        yield Container(root, tmp_path_factory.mktemp("volume"), configuration)


def test_it_says_what_it_is_and_keeps_no_secret(container: Container, builder: Builder) -> None:
    configuration = container.configuration
    labels = configuration["Labels"]
    assert labels["org.opencontainers.image.title"] == "fetalhead"
    assert labels["org.opencontainers.image.version"][0].isdigit()
    assert labels["org.opencontainers.image.revision"]
    assert configuration["User"] == str(USER)
    assert configuration["Cmd"] == ["fetalhead", "serve"]
    assert configuration["Healthcheck"]["Test"][0] == "CMD"
    assert not (container.root / "etc/pip.conf").exists() or not (container.root / "etc/pip.conf").read_bytes()


def test_neither_torch_nor_pip_is_inside(container: Container) -> None:
    for module in ("torch", "pip", "onnx"):
        code, printed = container.run(["python", "-c", f"import {module}"])
        assert (code, printed.splitlines()[-1]) == (1, f"ModuleNotFoundError: No module named '{module}'")


def test_its_user_writes_to_its_data_alone(container: Container) -> None:
    script = "import os, sys; print(os.geteuid()); open(sys.argv[1] + '/x', 'w')"
    code, printed = container.run(["python", "-c", script, "/data"])
    assert (code, printed.split()) == (0, [str(USER)])
    for folder in ("/", "/opt/fetalhead", "/etc"):
        assert "Error" in container.run(["python", "-c", script, folder])[1]


def test_it_starts_measures_a_phantom_and_stops(container: Container, tmp_path: Path) -> None:
    phantom = simulate(SimulationRequest(seed=2_000_005, spacing=SPACING_MM))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    own = {"FETALHEAD_HOST": "127.0.0.1", "FETALHEAD_PORT": str(port), "FETALHEAD_THREADS": "1"}
    health = container.configuration["Healthcheck"]["Test"][1:]
    assert container.run(health, own)[0] != 0
    process = container.start(container.configuration["Cmd"], own, tmp_path / "log")
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=START_SECONDS) as client:
            until_ready(client, process, tmp_path / "log")
            report = client.post("/segment", files={"volume": encode_volume(phantom.volume)}).json()
        assert container.run(health, own)[0] == 0
        process.terminate()
        assert process.wait(60) in {0, -15, 143}
    finally:
        process.kill()
        process.wait()
    assert report["verdict"] in {"ok", "review"}
    assert report["head_volume_ml"] == pytest.approx(phantom.record.true_volume_ml, rel=LARGEST_ERROR)


def until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if client.get("/health/ready").status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)
