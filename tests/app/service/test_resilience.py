"""What a hospital asks of the process: it answers while it works, loses nothing when it is killed, speaks TLS."""

import os
import ssl
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.app.service.test_process import serving
from tests.helpers.certificates import self_signed
from tests.helpers.makers import NiftiOptions, sphere_volume, volume_bytes
from tests.helpers.service import until
from tests.helpers.slow_model import publish_slow_model

CLIENTS = 4
LONGEST_S = 5.0
"""Far more than a probe should take, so that a busy machine does not fail the test; a blocked loop takes longer."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("slow")
    publish_slow_model(root, steps=25)
    return root


@pytest.fixture
def environment(tmp_path: Path, models: Path) -> dict[str, str]:
    own = {
        "PORT": "0",
        "DATA_DIR": str(tmp_path / "data"),
        "MODEL_STORE": str(models),
        "PROVIDER": "cpu",
        "THREADS": "1",
        "LOG_LEVEL": "INFO",
    }
    return {**os.environ, **{f"FETALHEAD_{name}": value for name, value in own.items()}}


@pytest.fixture(scope="module")
def scan() -> bytes:
    return volume_bytes(sphere_volume(), NiftiOptions(compress=True))


def ready(client: httpx.Client) -> None:
    until(lambda: client.get("/health/ready").status_code == 200)


def test_it_says_that_it_lives_while_four_volumes_are_in_work(
    environment: dict[str, str], tmp_path: Path, scan: bytes, record_property: Callable[[str, object], None]
) -> None:
    with serving(environment, tmp_path / "log") as (_, client), ThreadPoolExecutor(CLIENTS) as pool:
        ready(client)
        work = [pool.submit(client.post, "/segment", files={"volume": scan}) for _ in range(CLIENTS)]
        took = []
        while not all(job.done() for job in work):
            began = time.perf_counter()
            assert client.get("/health/live").status_code == 200
            took.append(time.perf_counter() - began)
            time.sleep(0.01)
        assert {job.result().status_code for job in work} == {200}
    figures = {"probes": len(took), "median_ms": 1000 * statistics.median(took), "max_ms": 1000 * max(took)}
    record_property("health_live", figures)
    print(f"/health/live with {CLIENTS} volumes in work: {figures}")
    assert len(took) > 10
    assert max(took) < LONGEST_S


def test_what_was_under_way_when_it_was_killed_is_not_lost(
    environment: dict[str, str], tmp_path: Path, scan: bytes
) -> None:
    def send(client: httpx.Client, key: str, preference: str = "wait") -> httpx.Response:
        headers = {"Idempotency-Key": key, "Prefer": preference}
        return client.post("/segment", files={"volume": scan}, headers=headers)

    with serving(environment, tmp_path / "log") as (process, client):
        ready(client)
        done = send(client, "done").json()
        under_way = [send(client, key, "respond-async").headers["location"] for key in ("running", "waiting")]
        until(lambda: client.get(under_way[0]).json()["status"] == "running")
        process.kill()
        process.wait(20)
    with serving(environment, tmp_path / "log2") as (_, client):
        ready(client)
        for path in under_way:
            body = client.get(path).json()
            assert (body["status"], body["problem"]["code"]) == ("failed", "interrupted")
            assert body["problem"]["remedy"]
        assert send(client, "done").json() == done
        again = send(client, "running").json()
        assert again["status"] == "completed"
        assert again["id"] not in under_way[0]
        assert client.get("/volume").json()["summary"]["count"] == 2


def test_it_speaks_tls_itself(environment: dict[str, str], tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    own = {"FETALHEAD_TLS_CERTIFICATE_FILE": str(certificate), "FETALHEAD_TLS_KEY_FILE": str(key)}
    trusting = ssl.create_default_context(cafile=certificate)
    with serving(environment | own, tmp_path / "log", trusting) as (_, client):
        assert client.base_url.scheme == "https"
        assert client.get("/health/live").status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{client.base_url}/health/live")
