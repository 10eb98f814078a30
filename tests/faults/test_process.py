"""A provider that is not there, memory that is missing, a clock that jumps, an end in the middle of work."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.hungry_model import publish_hungry_model
from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.runtimes import providers
from tests.helpers.service import assert_problem, post
from tests.helpers.service_process import ServiceProcess
from tests.helpers.slow_model import publish_slow_model
from tests.helpers.system_packages import require

pytestmark = pytest.mark.slow

SPHERE = volume_bytes(sphere_volume(), NiftiOptions(compress=True))
LARGE = volume_bytes(sphere_volume(shape=(80, 56, 60)), NiftiOptions(compress=True))
HOUR_S = 3600


def test_a_provider_that_is_not_there(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    service = ServiceProcess(tmp_path, {"PROVIDER": "cuda"})
    try:
        client = service.start(ready=False).client()
        service.until(lambda: client.get("/health/ready").json()["code"] != "not_ready")
        assert "provider_unavailable" in assert_problem(client.get("/health/ready"), 503, "model_failed")["detail"]
        assert_problem(post(client, SPHERE), 503, "model_failed")
        assert client.get("/health/live").status_code == 200
        assert "fetalhead_model_ready 0.0" in client.get("/metrics").text
        client.close()
    finally:
        service.kill()


@pytest.mark.parametrize("provider", providers())
def test_a_network_that_asks_for_more_memory_than_there_is(tmp_path: Path, provider: str) -> None:
    publish_hungry_model(tmp_path / "models")
    with ServiceProcess(tmp_path, {"PROVIDER": provider}) as service, service.client() as client:
        before = post(client, SPHERE).json()
        refused = post(client, LARGE)
        assert_problem(refused, 503, "out_of_memory")
        assert refused.headers["retry-after"]
        after = post(client, SPHERE).json()
        assert after["head_volume_ml"] == before["head_volume_ml"]
        metrics = client.get("/metrics").text
        assert 'fetalhead_rejected_total{reason="out_of_memory"} 1.0' in metrics
        assert 'fetalhead_failed_total{reason="out_of_memory"} 1.0' in metrics
        assert client.get("/volume").json()["summary"]["count"] == 2


class TestClock:
    @pytest.fixture
    def clock(self, tmp_path: Path) -> Path:
        """What it says is added to the time of day; the clock that only runs on is left alone."""
        path = tmp_path / "clock"
        path.write_text("+0")
        return path

    @pytest.fixture
    def service(self, tmp_path: Path, clock: Path) -> Iterator[ServiceProcess]:
        faketime = Path(require("faketime", package="faketime"))
        libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
        assert libraries, f"{faketime} came without its library"
        publish_threshold_model(tmp_path / "models")
        service = ServiceProcess(tmp_path)
        service.environment |= {
            "LD_PRELOAD": str(libraries[0]),
            "FAKETIME_TIMESTAMP_FILE": str(clock),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        with service:
            yield service

    def test_it_jumps_back_and_forth(self, service: ServiceProcess, clock: Path) -> None:
        with service.client() as client:
            ids = []
            for offset_s in (0, -2 * HOUR_S, 30 * 24 * HOUR_S, 0):
                clock.write_text(f"{offset_s:+d}")
                answer = post(client, SPHERE)
                assert answer.status_code == 200, answer.text
                report = answer.json()
                assert min(report["timings_s"].values()) >= 0
                assert report["timings_s"]["total"] < HOUR_S
                ids.append(report["id"])
            items = client.get("/volume").json()["items"]
            moments = {item["id"]: item["created_at"] for item in items}
        assert list(moments) == ids[::-1], "the order is that of measuring, whatever the clock said"
        assert moments[ids[1]] < moments[ids[0]] < moments[ids[2]]


def test_told_to_end_under_load_it_finishes_what_it_took(tmp_path: Path) -> None:
    publish_slow_model(tmp_path / "models", steps=12)
    answers: list[httpx.Response] = []

    def send(url: str) -> None:
        with httpx.Client(base_url=url, timeout=300) as client:
            answers.append(post(client, SPHERE))

    service = ServiceProcess(tmp_path, {"SHUTDOWN_TIMEOUT_S": "240"}).start()
    threads = [threading.Thread(target=send, args=(service.url,)) for _ in range(4)]
    with service.client() as client:
        for thread in threads:
            thread.start()
        service.until(lambda: held(client) == len(threads))
    assert service.terminate() in {0, -signal.SIGTERM}
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * len(threads)
    with service, service.client() as client:
        for answer in answers:
            assert client.get(answer.headers["location"]).json() == answer.json()
            assert client.get(answer.json()["mask"]).status_code == 200


def held(client: httpx.Client) -> int:
    """How many segmentations wait or are computed."""
    values = [line.split() for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return int(sum(float(value) for name, value in values if name in {"fetalhead_queue_depth", "fetalhead_in_flight"}))
