"""Every conversation with the service, without any input or output of its own.

A flow is a generator: it yields what is to be done (a `Call` to send, a `Wait`), is sent what came of it, and returns
its result. `app.client.shells` performs flows, with threads or with asyncio; nothing here knows which.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import BinaryIO, TypeVar

import httpx
from pydantic import BaseModel

from app.client.errors import ServiceUnreachable, TookTooLong, WasCancelled, error_of, problem_error
from app.client.result import Result
from app.client.source import Source, form_fields, opener
from app.contract.report import Report, Verdict
from app.contract.service import ModelList, Readiness, Unfinished
from app.contract.volumes import VolumePage

TRY_LATER = (429, 503)
UNREACHABLE = "Check the address, and that the service runs there (fetalhead serve)"
WITHOUT_REMEDY = frozenset(("model_failed",))
"""Problems with status 503 that waiting does not mend."""
FIRST_POLL_S, LAST_POLL_S = 0.2, 5.0
T = TypeVar("T")
Parsed = TypeVar("Parsed", bound=BaseModel)


@dataclass(frozen=True)
class Retries:
    """How patient a client is: attempts per request, of them without any answer, and the longest pause, in seconds."""

    attempts: int = 6
    unanswered: int = 3
    longest_pause_s: float = 60.0


@dataclass(frozen=True)
class Call:
    """One request; `opened` gives the file to send, anew for each attempt."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)
    opened: Callable[[], BinaryIO] | None = None


@dataclass(frozen=True)
class Wait:
    """A pause before the next step."""

    seconds: float


Answer = httpx.Response | httpx.TransportError
Flow = Generator[Call | Wait, Answer | None, T]


@dataclass(frozen=True)
class Conversations:
    """Everything that can be said to the service, as flows; the clients have a method for each."""

    retries: Retries = Retries()

    def segment(
        self,
        volume: Source,
        *,
        gestational_age_weeks: float | None = None,
        subject: str | None = None,
        spacing_mm: Sequence[float] | None = None,
    ) -> Flow[Result]:
        """Measure a volume and wait for the result, even where the service says that it is not ready in time.

        Sending is safe to repeat: what was measured once is not measured again.

        Args:
            volume: a path, the bytes of a NIfTI file, or an image of nibabel.
            gestational_age_weeks: 10 to 42, where it is known; a size that contradicts it is flagged.
            subject: a pseudonym under which repeated measurements belong together.
            spacing_mm: three numbers, only for a file without a spacing of its own.

        Raises:
            FetalHeadError: the service refuses it, or cannot be reached.
            OSError: the file cannot be read.
        """
        headers = {"Accept": "application/zip", "Idempotency-Key": uuid.uuid4().hex}
        fields = form_fields(gestational_age_weeks, subject, spacing_mm)
        try:
            answer = yield from self._exchange(Call("POST", "/segment", headers, fields=fields, opened=opener(volume)))
        except TookTooLong as error:
            if error.location is None:
                raise
            return (yield from self.result(error.location.rpartition("/")[2]))
        return Result.from_zip(answer.content)

    def result(self, segmentation_id: str) -> Flow[Result]:
        """The result of an earlier segmentation; waits for one that is under way."""
        path = f"/segmentations/{segmentation_id}"
        for pause_s in _pauses():
            answer = yield from self._exchange(Call("GET", path))
            if answer.json().get("status") == "completed":
                break
            _check_under_way(answer)
            yield Wait(pause_s)
        mask = yield from self.content(f"{path}/mask")
        preview = yield from self.content(f"{path}/preview.png")
        return Result(_parsed(Report, answer), mask, preview)

    def volumes(
        self,
        *,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        verdict: Verdict | None = None,
        cursor: str | None = None,
    ) -> Flow[VolumePage]:
        """What was measured, newest first, with a summary; `cursor` is the `next` of the page before."""
        asked = {
            "subject": subject,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "verdict": verdict,
            "cursor": cursor,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        return (yield from self._document(Call("GET", "/volume", query=query), VolumePage))

    def erase(self, segmentation_id: str) -> Flow[None]:
        """Cancel a segmentation that is under way; erase a finished one."""
        yield from self._exchange(Call("DELETE", f"/segmentations/{segmentation_id}"))

    def models(self) -> Flow[ModelList]:
        """The models of the service's store."""
        return (yield from self._document(Call("GET", "/models"), ModelList))

    def ready(self) -> Flow[Readiness]:
        """Which model the service runs, and on what; waits while it starts."""
        return (yield from self._document(Call("GET", "/health/ready"), Readiness))

    def content(self, path: str) -> Flow[bytes]:
        """A file of the service, such as `/segmentations/{id}/preview.png`."""
        return (yield from self._exchange(Call("GET", path))).content

    def _document(self, call: Call, kind: type[Parsed]) -> Flow[Parsed]:
        return _parsed(kind, (yield from self._exchange(call)))

    def _exchange(self, call: Call) -> Flow[httpx.Response]:
        """Send a call until it is answered with more than "try later"; raise a `FetalHeadError` for a refusal."""
        attempt = 0
        while True:
            attempt += 1
            answer = yield call
            if answer is None:
                raise TypeError(f"{call.method} {call.path} was not performed")
            pause_s = _pause(answer, attempt, self.retries)
            if pause_s is None:
                return _checked(answer, call)
            yield Wait(pause_s)


def _parsed(kind: type[Parsed], answer: httpx.Response) -> Parsed:
    """The answer as a value; what a newer service says beyond it is dropped."""
    return kind.model_validate_json(answer.content, extra="ignore")


def _pause(answer: Answer, attempt: int, retries: Retries) -> float | None:
    """Seconds until the next attempt; None where there shall be none."""
    if attempt >= retries.attempts:
        return None
    backoff = min(2.0 ** (attempt - 1) / 2, retries.longest_pause_s)
    if isinstance(answer, httpx.TransportError):
        lasting = isinstance(answer, httpx.TimeoutException | httpx.UnsupportedProtocol)
        return None if lasting or attempt >= retries.unanswered else backoff
    if answer.status_code not in TRY_LATER or error_of(answer).code in WITHOUT_REMEDY:
        return None
    named = _retry_after(answer.headers.get("Retry-After"))
    return backoff if named is None else min(named, retries.longest_pause_s)


def _retry_after(value: str | None) -> float | None:
    """Seconds from now; the header holds seconds or a date (RFC 9110, section 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None


def _checked(answer: Answer, call: Call) -> httpx.Response:
    if isinstance(answer, httpx.TransportError):
        reason = str(answer) or type(answer).__name__
        asked = f"{call.method} {_target(answer) or call.path}"
        raise ServiceUnreachable(f"{asked} got no answer: {reason}. {UNREACHABLE}") from answer
    if answer.is_success:
        return answer
    error = error_of(answer)
    if isinstance(error, TookTooLong):
        error.location = answer.headers.get("Location")
    raise error


def _target(error: httpx.TransportError) -> str | None:
    """Where the request went; one that httpx refused to send went nowhere."""
    try:
        return str(error.request.url)
    except RuntimeError:
        return None


def _check_under_way(answer: httpx.Response) -> None:
    """Raise why a segmentation without a result will never have one."""
    state = _parsed(Unfinished, answer)
    if state.problem is not None:
        raise problem_error(state.problem)
    if state.status == "cancelled":
        raise WasCancelled(f"segmentation {state.id} was cancelled")


def _pauses() -> Generator[float, None, None]:
    pause_s = FIRST_POLL_S
    while True:
        yield pause_s
        pause_s = min(pause_s * 1.5, LAST_POLL_S)
