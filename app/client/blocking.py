"""The client for ordinary code: each method sends a request and waits for the answer."""

from __future__ import annotations

import os
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import count
from typing import Any, BinaryIO, Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from app.client.connection import find_proxy, open_connection
from app.client.errors import (
    SIGN_IN,
    ServiceUnreachable,
    TookTooLong,
    UnexpectedAnswer,
    WasCancelled,
    error_of,
    problem_error,
    unexpected_answer,
)
from app.client.result import Result
from app.client.retries import Retries
from app.client.source import Source, opener
from app.contract.report import Report
from app.contract.service import ModelList, Readiness, Unfinished
from app.contract.upload import FieldError, VolumeFields
from app.contract.value import Verdict
from app.contract.volumes import VolumePage
from app.problems.problem import field_problem

DEFAULT_URL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "FETALHEAD_URL"
KEY_VARIABLE: Final = "FETALHEAD_API_KEY"
TIMEOUT_S: Final = 660.0
"""Longer than the service lets a request wait by default, so that the service's own answer comes first."""
FIRST_POLL_S, LAST_POLL_S = 0.2, 5.0
UNREACHABLE: Final = "Check the address, and that the service runs there (fetalhead serve)"
PROXIED: Final = "; it was asked through the proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY)"
Parsed = TypeVar("Parsed", bound=BaseModel)


class _State(BaseModel):
    status: str


class FetalHead:
    """A client of a running service; safe to use from several threads.

    Args:
        url: where the service listens; by default `FETALHEAD_URL`, or port 8000 of this machine.
        api_key: an API key or a bearer token; by default `FETALHEAD_API_KEY`.
        timeout_s: how long one answer may take, in seconds.
        retries: how often, and with what pauses, 429, 503 and broken connections are tried again.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
    ) -> None:
        self._retries = retries or Retries()
        address = url or os.environ.get(URL_VARIABLE) or DEFAULT_URL
        self._http = open_connection(address, api_key or os.environ.get(KEY_VARIABLE) or None, timeout_s)

    def segment(
        self,
        volume: Source,
        *,
        gestational_age_weeks: float | None = None,
        subject: str | None = None,
        spacing_mm: Sequence[float] | None = None,
    ) -> Result:
        """Measure a volume and wait for the result, even if the service answers that it is not ready in time.

        Sending is safe to repeat: the same upload is not measured twice.

        Args:
            volume: a path, the bytes of a file of any format that is read, or an image of nibabel.
            gestational_age_weeks: 10 to 42, if known; a size that contradicts it is flagged.
            subject: a pseudonym that groups the measurements of one fetus.
            spacing_mm: three numbers, only for a file that has no spacing of its own.

        Raises:
            FetalHeadError: the service refuses the volume, or cannot be reached.
            OSError: the file cannot be read.
        """
        headers = {"Accept": "application/zip", "Idempotency-Key": uuid.uuid4().hex}
        fields = _form(gestational_age_weeks=gestational_age_weeks, subject=subject, spacing_mm=spacing_mm)
        try:
            answer = self._exchange("POST", "/segment", opener(volume), headers=headers, data=fields)
        except TookTooLong as error:
            if error.location is None:
                raise
            return self.result(error.location.rpartition("/")[2])
        return _parse_archive(answer)

    def result(self, segmentation_id: str) -> Result:
        """Return the result of an earlier segmentation; wait if it is under way."""
        path = f"/segmentations/{segmentation_id}"
        pause_s = FIRST_POLL_S
        while _parse(_State, answer := self._exchange("GET", path)).status != "completed":
            _check_under_way(answer)
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LAST_POLL_S)
        report = _parse(Report, answer)
        mask = f"{path}/mask" if report.review is None else f"{path}/mask?version=valid"
        return Result(report, self.content(mask), self.content(f"{path}/preview.png"))

    def volumes(
        self,
        *,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        verdict: Verdict | None = None,
        cursor: str | None = None,
    ) -> VolumePage:
        """Return a page of measurements, newest first, with a summary; `cursor` is the `next` of the previous page."""
        asked = {
            "subject": subject,
            "since": None if since is None else since.isoformat(),
            "until": None if until is None else until.isoformat(),
            "verdict": verdict,
            "cursor": cursor,
        }
        query = {name: value for name, value in asked.items() if value is not None}
        return _parse(VolumePage, self._exchange("GET", "/volume", params=query))

    def erase(self, segmentation_id: str) -> None:
        """Cancel a segmentation that is under way; erase a finished one."""
        answer = self._exchange("DELETE", f"/segmentations/{segmentation_id}")
        if answer.status_code != httpx.codes.NO_CONTENT:
            raise unexpected_answer(answer)

    def models(self) -> ModelList:
        """Return the models in the service's store."""
        return _parse(ModelList, self._exchange("GET", "/models"))

    def activate(self, version: int) -> Readiness:
        """Switch the service to another version, once it has passed its self-test; needs the role admin."""
        return _parse(Readiness, self._exchange("PUT", "/models/active", json={"version": version}))

    def ready(self) -> Readiness:
        """Return which model the service runs, and on which provider; wait while it starts."""
        return _parse(Readiness, self._exchange("GET", "/health/ready"))

    def content(self, path: str) -> bytes:
        """Return a file of the service, such as `/segmentations/{id}/preview.png`."""
        return self._exchange("GET", path).content

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _exchange(
        self, method: str, path: str, opened: Callable[[], BinaryIO] | None = None, **request: Any
    ) -> httpx.Response:
        """Send a request until the answer is not "try later"; raise a `FetalHeadError` if it is refused."""
        answer: httpx.Response | httpx.TransportError
        for attempt in count(1):
            try:
                with opened() if opened else nullcontext() as file:
                    answer = self._http.request(method, path, files={"volume": file} if file else None, **request)
            except httpx.TransportError as error:
                answer = error
            except httpx.DecodingError as error:
                raise UnexpectedAnswer(f"the answer of {error.request.url} cannot be unpacked. {SIGN_IN}") from error
            except (httpx.InvalidURL, UnicodeError) as error:
                raise ServiceUnreachable(f"{self._http.base_url}{path} is no address: {error}") from error
            pause_s = self._retries.pause_s(answer, attempt)
            if pause_s is None:
                break
            time.sleep(pause_s)
        return _check(answer)


def _form(**fields: object) -> dict[str, str]:
    """Return the fields as a form carries them; refuse an invalid one as the service would."""
    try:
        return VolumeFields.parse(**fields).texts()
    except FieldError as error:
        raise problem_error(field_problem(error).problem) from error


def _parse(kind: type[Parsed], answer: httpx.Response) -> Parsed:
    """Return the answer as a value, without members that only a newer service knows."""
    try:
        return kind.model_validate_json(answer.content, extra="ignore")
    except ValidationError as error:
        raise unexpected_answer(answer) from error


def _parse_archive(answer: httpx.Response) -> Result:
    try:
        return Result.from_zip(answer.content)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValidationError) as error:
        raise unexpected_answer(answer) from error


def _check(answer: httpx.Response | httpx.TransportError) -> httpx.Response:
    """Return a successful answer, or raise the error that the answer stands for."""
    if isinstance(answer, httpx.TransportError):
        asked, reason = f"{answer.request.method} {answer.request.url}", str(answer) or type(answer).__name__
        proxied = "" if find_proxy(answer.request.url) is None else PROXIED
        raise ServiceUnreachable(f"{asked} got no answer: {reason}. {UNREACHABLE}{proxied}") from answer
    if answer.is_success:
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise unexpected_answer(answer)
        return answer
    error = error_of(answer)
    if isinstance(error, TookTooLong):
        error.location = answer.headers.get("Location")
    raise error


def _check_under_way(answer: httpx.Response) -> None:
    """Raise an error if a segmentation without a result will never have one."""
    state = _parse(Unfinished, answer)
    if state.problem is not None:
        raise problem_error(state.problem)
    if state.status == "cancelled":
        raise WasCancelled(f"segmentation {state.id} was cancelled")
