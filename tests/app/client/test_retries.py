"""When the client sends a request again, and how long it waits before."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import httpx
import pytest

from app.client import FetalHead, NotFound, Overloaded, Retries, ServiceFailed, ServiceUnreachable, WasCancelled
from tests.app.client.scripted import Asked, answering

PATIENT = Retries()
BRIEF = Retries(longest_pause_s=0.01)
BUSY = {"type": "/problems/queue_full", "title": "t", "status": 503, "detail": "d", "code": "queue_full"}
STATE = {"id": "x", "created_at": "2026-01-01T00:00:00Z"}


def busy(retry_after: str | None = None, status: int = 503, code: str = "queue_full") -> httpx.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=BUSY | {"code": code, "status": status}, headers=headers)


def ready(**more: object) -> httpx.Response:
    model = {"name": "fetal_head", "version": 1, "sha256": ["0"]}
    body = {"model": model, "runtime": {"provider": "p", "precision": "fp32"}, "requested_provider": "auto"}
    return httpx.Response(200, json={**body, "requested_precision": "auto", "fallback": False, **more})


@contextmanager
def talking(
    answers: Sequence[httpx.Response | None], retries: Retries = BRIEF
) -> Iterator[tuple[FetalHead, list[Asked]]]:
    """A client of a service that answers this in turn, and what the service was asked."""
    with answering(answers) as service, FetalHead(service.url, retries=retries) as client:
        yield client, service.asked


class TestPause:
    @pytest.mark.parametrize(("retry_after", "status", "seconds"), [("7", 503, 7.0), ("2", 429, 2.0), ("0", 503, 0.0)])
    def test_retry_after_in_seconds_is_obeyed(self, retry_after: str, status: int, seconds: float) -> None:
        assert PATIENT.pause_s(busy(retry_after, status), attempt=1) == seconds

    def test_retry_after_as_a_date_is_obeyed(self) -> None:
        moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
        assert PATIENT.pause_s(busy(moment), attempt=1) == pytest.approx(30, abs=2)

    @pytest.mark.parametrize("value", [None, "soon", ""])
    def test_a_retry_after_that_says_nothing_doubles_the_pause(self, value: str | None) -> None:
        assert [PATIENT.pause_s(busy(value), attempt) for attempt in (1, 2, 3)] == [0.5, 1.0, 2.0]

    def test_a_pause_has_a_limit(self) -> None:
        assert Retries(longest_pause_s=4.0).pause_s(busy("3600"), attempt=1) == 4.0

    def test_patience_ends(self) -> None:
        answers = [Retries(attempts=3).pause_s(busy("1"), attempt) for attempt in (1, 2, 3)]
        assert answers == [1.0, 1.0, None]

    def test_a_broken_connection_is_tried_again_a_few_times(self) -> None:
        broken = httpx.ConnectError("refused")
        assert [PATIENT.pause_s(broken, attempt) for attempt in (1, 2, 3)] == [0.5, 1.0, None]

    @pytest.mark.parametrize(
        "answer",
        [httpx.ReadTimeout("slow"), busy(status=500), busy("1", code="model_failed"), busy(status=409), ready()],
    )
    def test_what_waiting_does_not_mend_is_not_tried_again(self, answer: httpx.Response | httpx.TransportError) -> None:
        assert PATIENT.pause_s(answer, attempt=1) is None


class TestSentAgain:
    def test_the_whole_request_is_sent_again_under_the_same_key(self, scan: Path) -> None:
        answers = [busy("0"), None, busy("0", 429), busy(status=404)]
        with talking(answers, Retries(unanswered=4, longest_pause_s=0.01)) as (client, asked):
            with pytest.raises(NotFound):
                client.segment(scan, subject="S-1")
            assert [request.what for request in asked] == ["POST /segment"] * 4
            assert len({request.headers["Idempotency-Key"] for request in asked}) == 1
            assert len({request.length for request in asked}) == 1
            assert asked[0].length > scan.stat().st_size

    def test_two_calls_are_two_measurements(self, scan: Path) -> None:
        with talking([busy(status=500)] * 2) as (client, asked):
            for _ in range(2):
                with pytest.raises(ServiceFailed):
                    client.segment(scan)
            assert len({request.headers["Idempotency-Key"] for request in asked}) == 2

    def test_patience_ends(self) -> None:
        with talking([busy()] * 3, Retries(3, 3, 0.01)) as (client, asked):
            with pytest.raises(Overloaded, match="queue_full"):
                client.ready()
            assert len(asked) == 3

    def test_a_service_that_closes_the_connection(self) -> None:
        with talking([None, None, ready(), None, None, None]) as (client, asked):
            assert client.ready().model.version == 1
            with pytest.raises(ServiceUnreachable, match=r"GET http://[\d.:]+/health/ready got no answer"):
                client.ready()
            assert len(asked) == 6


def test_what_a_newer_service_says_beyond_this_client_is_no_error() -> None:
    with talking([ready(uptime_s=5)]) as (client, _):
        assert client.ready().model.name == "fetal_head"


class TestResult:
    def test_one_under_way_is_waited_for_until_it_is_cancelled(self) -> None:
        states = [httpx.Response(200, json=STATE | {"status": status}) for status in ("queued", "running", "cancelled")]
        with talking(states) as (client, asked):
            with pytest.raises(WasCancelled, match="x"):
                client.result("x")
            assert len(asked) == 3

    def test_one_that_failed_says_why(self) -> None:
        failed = STATE | {"status": "failed", "problem": BUSY | {"code": "interrupted"}}
        with talking([httpx.Response(200, json=failed)]) as (client, _), pytest.raises(Overloaded, match="interrupted"):
            client.result("x")
