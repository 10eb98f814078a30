"""Work that is ended on its way: by its time limit, by DELETE, by a client that leaves."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.service.places import Pace
from tests.helpers.runtimes import providers
from tests.helpers.service import Service, assert_problem, post, running_service, until
from tests.helpers.slow_model import publish_slow_model

STEPS = 40
"""More than a second of one core, so that there is time to step in."""
ASYNC = {"Prefer": "respond-async"}


@pytest.fixture(scope="module")
def slow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("slow")
    publish_slow_model(root, STEPS)
    return root


@pytest.fixture(scope="module", params=providers())
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, slow_store: Path, provider: str) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("data"), slow_store, provider=provider) as service:
        yield service


class TestRunning:
    def test_it_tells_stage_and_progress_and_delete_stops_it(self, slow: Service, sphere: bytes) -> None:
        path = post(slow.client, sphere, ASYNC).headers["location"]
        body = until(lambda: in_stage(slow, path, "context_level_1"))
        assert body["status"] == "running"
        assert 0 < body["progress"] < 1
        assert slow.client.delete(path).status_code == 204
        assert slow.client.get(path).json()["status"] == "cancelled"
        until(lambda: computing(slow) == 0)
        until(lambda: stopped(slow, "cancelled") == 1)

    def test_a_waiting_one_gives_its_place_back_when_it_is_cancelled(
        self, tmp_path: Path, slow_store: Path, sphere: bytes
    ) -> None:
        with running_service(tmp_path, slow_store, queue_length=1, shutdown_timeout_s=0) as service:
            running, waiting = (post(service.client, sphere, ASYNC).headers["location"] for _ in range(2))
            assert_problem(post(service.client, sphere), 503, "queue_full")
            service.client.delete(waiting)
            until(lambda: post(service.client, sphere, ASYNC).status_code == 202)
            assert service.client.get(running).json()["status"] in {"running", "completed"}
            assert service.counted("fetalhead_queue_depth") <= 1

    def test_its_time_limit_stops_it(self, tmp_path: Path, slow_store: Path, sphere: bytes, provider: str) -> None:
        with running_service(tmp_path, slow_store, segmentation_timeout_s=0.2, provider=provider) as service:
            body = assert_problem(post(service.client, sphere), 504, "computation_timeout")
            assert "FETALHEAD_SEGMENTATION_TIMEOUT_S" in body["remedy"]
            until(lambda: computing(service) == 0)
            path = post(service.client, sphere, ASYNC).headers["location"]
            until(lambda: service.client.get(path).json()["status"] == "failed")
            assert service.client.get(path).json()["problem"]["code"] == "computation_timeout"
            assert stopped(service, "timeout") == 2

    def test_at_shutdown_it_has_failed_and_says_why(self, tmp_path: Path, slow_store: Path, sphere: bytes) -> None:
        with running_service(tmp_path, slow_store, shutdown_timeout_s=0.1) as service:
            path = post(service.client, sphere, ASYNC).headers["location"]
            until(lambda: computing(service) == 1)
            repository = service.state.records.repository
        found = repository.find(path.rsplit("/", maxsplit=1)[-1])
        assert (found.status, found.problem and found.problem.code) == ("failed", "interrupted")


class TestClient:
    def test_one_that_leaves_has_its_work_stopped(self, slow: Service, sphere: bytes) -> None:
        before = stopped(slow, "cancelled")
        with sent(slow, sphere):
            until(lambda: computing(slow) == 1)
        until(lambda: stopped(slow, "cancelled") == before + 1)
        assert computing(slow) == 0
        assert slow.client.get("/volume").json()["summary"]["count"] == 0

    def test_one_that_will_ask_again_finds_the_result(self, tmp_path: Path, slow_store: Path, sphere: bytes) -> None:
        with running_service(tmp_path, slow_store) as service:
            with sent(service, sphere, "Idempotency-Key: k\r\n"):
                until(lambda: computing(service) == 1)
            answer = post(service.client, sphere, {"Idempotency-Key": "k"})
            assert answer.status_code == 200
            assert service.client.get("/volume").json()["summary"]["count"] == 1


class TestPace:
    def test_it_expects_what_it_has_seen_less_what_is_done(self) -> None:
        now = 0.0
        pace = Pace(lambda: now)
        assert pace.rest_s() == 0
        with pace.measure():
            now += 10
        assert pace.rest_s() == 10
        with pace.measure():
            now += 4
            assert pace.rest_s() == 6
            now += 16
            assert pace.rest_s() == 0
        assert 10 < pace.rest_s() < 20


def in_stage(service: Service, path: str, stage: str) -> dict[str, Any] | None:
    body: dict[str, Any] = service.client.get(path).json()
    return body if body.get("stage") == stage else None


def computing(service: Service) -> float:
    return service.counted("fetalhead_in_flight")


def stopped(service: Service, reason: str) -> float:
    return service.counted("fetalhead_stopped_total", reason=reason)


def sent(service: Service, content: bytes, headers: str = "") -> socket.socket:
    """A connection on which a whole request was sent, and no answer was read."""
    part = b'--b\r\nContent-Disposition: form-data; name="volume"\r\n\r\n' + content + b"\r\n--b--\r\n"
    url = service.client.base_url
    connection = socket.create_connection((url.host, url.port), timeout=20)
    head = f"POST /segment HTTP/1.1\r\nHost: {url.host}\r\nContent-Length: {len(part)}\r\n{headers}"
    connection.sendall(f"{head}Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode() + part)
    return connection
