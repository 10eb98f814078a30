"""What a hospital asks of the process: it answers while it works, loses nothing when it is killed, speaks TLS."""

import ssl
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.helpers.certificates import self_signed
from tests.helpers.makers import NiftiOptions, sphere_volume, volume_bytes
from tests.helpers.service_process import ServiceProcess
from tests.helpers.slow_model import publish_slow_model

pytestmark = pytest.mark.slow

CLIENTS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    publish_slow_model(tmp_path / "models", steps=25)
    return tmp_path


@pytest.fixture(scope="module")
def scan() -> bytes:
    return volume_bytes(sphere_volume(), NiftiOptions(compress=True))


def test_it_says_that_it_lives_while_four_volumes_are_in_work(
    folder: Path, scan: bytes, record_property: Callable[[str, object], None]
) -> None:
    with ServiceProcess(folder) as service, service.client() as client, ThreadPoolExecutor(CLIENTS) as pool:
        work = [pool.submit(client.post, "/segment", files={"volume": scan}) for _ in range(CLIENTS)]
        took: list[float] = []
        while not all(job.done() for job in work):
            began = time.perf_counter()
            assert client.get("/health/live").status_code == 200
            took.append(time.perf_counter() - began)
            time.sleep(0.01)
        assert {job.result().status_code for job in work} == {200}
    figures = {"probes": len(took), "median_ms": 1000 * statistics.median(took), "max_ms": 1000 * max(took)}
    record_property("health_live", figures)
    print(f"/health/live with {CLIENTS} volumes in work: {figures}")
    assert len(took) > 3 * CLIENTS, "it says so between two volumes alone"


def test_what_was_under_way_when_it_was_killed_is_not_lost(folder: Path, scan: bytes) -> None:
    def send(client: httpx.Client, key: str, preference: str = "wait") -> httpx.Response:
        headers = {"Idempotency-Key": key, "Prefer": preference}
        return client.post("/segment", files={"volume": scan}, headers=headers)

    service = ServiceProcess(folder)
    with service, service.client() as client:
        done = send(client, "done").json()
        under_way = [send(client, key, "respond-async").headers["location"] for key in ("running", "waiting")]
        service.until(lambda: client.get(under_way[0]).json()["status"] == "running")
        service.kill()
    with service, service.client() as client:
        for path in under_way:
            body = client.get(path).json()
            assert (body["status"], body["problem"]["code"]) == ("failed", "interrupted")
            assert body["problem"]["remedy"]
        assert send(client, "done").json() == done
        again = send(client, "running").json()
        assert again["status"] == "completed"
        assert again["id"] not in under_way[0]
        assert client.get("/volume").json()["summary"]["count"] == 2


def test_it_speaks_tls_itself(folder: Path) -> None:
    certificate, key = self_signed(folder)
    own = {"TLS_CERTIFICATE_FILE": str(certificate), "TLS_KEY_FILE": str(key)}
    trusting = ssl.create_default_context(cafile=certificate)
    with ServiceProcess(folder, own, trusting=trusting) as service, service.client() as client:
        assert client.base_url.scheme == "https"
        assert client.get("/health/live").status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(f"{client.base_url}/health/live")
