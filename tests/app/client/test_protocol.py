"""What the client says, without any service: flows are generators, so that a test can answer them itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from app.client.errors import Overloaded, ServiceFailed, ServiceUnreachable, WasCancelled
from app.client.protocol import Answer, Call, Conversations, Retries, Wait

BUSY = {"type": "/problems/queue_full", "title": "t", "status": 503, "detail": "d", "code": "queue_full"}


def performed(answers: Sequence[Answer], retries: Retries | None = None) -> tuple[list[Call], list[float]]:
    """The calls and pauses of `ready`, answered in turn."""
    flow, left = Conversations(retries or Retries()).ready(), list(answers)
    calls: list[Call] = []
    pauses: list[float] = []
    step = next(flow)
    try:
        while True:
            if isinstance(step, Wait):
                pauses.append(step.seconds)
                step = flow.send(None)
            else:
                calls.append(step)
                step = flow.send(left.pop(0))
    except StopIteration:
        return calls, pauses


def busy(retry_after: str | None = None, status: int = 503) -> httpx.Response:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return httpx.Response(status, json=BUSY, headers=headers)


def ready(**more: object) -> httpx.Response:
    model = {"name": "fetal_head", "version": 1, "sha256": ["0"]}
    body = {"model": model, "runtime": {"provider": "p", "precision": "fp32"}, "requested_provider": "auto"}
    return httpx.Response(200, json={**body, "requested_precision": "auto", "fallback": False, **more})


def test_retry_after_in_seconds_is_obeyed() -> None:
    calls, pauses = performed([busy("7"), busy("2", 429), ready()])
    assert (len(calls), pauses) == (3, [7.0, 2.0])


def test_retry_after_as_a_date_is_obeyed() -> None:
    moment = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    _, pauses = performed([busy(moment), ready()])
    assert pauses == [pytest.approx(30, abs=2)]


@pytest.mark.parametrize("value", ["soon", ""])
def test_a_retry_after_that_says_nothing_doubles_the_pause(value: str) -> None:
    _, pauses = performed([busy(value)] * 3 + [ready()])
    assert pauses == [0.5, 1.0, 2.0]


def test_a_pause_has_a_limit() -> None:
    _, pauses = performed([busy("3600"), ready()], Retries(longest_pause_s=4.0))
    assert pauses == [4.0]


def test_patience_ends() -> None:
    with pytest.raises(Overloaded, match="queue_full"):
        performed([busy()] * 3, Retries(attempts=3))


def test_a_broken_connection_is_tried_again_a_few_times() -> None:
    broken = httpx.ConnectError("refused")
    assert len(performed([broken, broken, ready()])[0]) == 3
    with pytest.raises(ServiceUnreachable, match="refused"):
        performed([broken] * 3)


def test_a_timeout_is_not_tried_again() -> None:
    with pytest.raises(ServiceUnreachable, match="slow"):
        performed([httpx.ReadTimeout("slow")])


def test_an_internal_error_is_not_tried_again() -> None:
    with pytest.raises(ServiceFailed):
        performed([busy(status=500)])


def test_what_a_newer_service_says_beyond_this_client_is_no_error() -> None:
    assert len(performed([ready(uptime_s=5)])[0]) == 1


def test_a_cancelled_segmentation_is_not_waited_for() -> None:
    flow = Conversations().result("x")
    next(flow)
    state = {"id": "x", "status": "cancelled", "created_at": "2026-01-01T00:00:00Z"}
    with pytest.raises(WasCancelled):
        flow.send(httpx.Response(200, json=state))
