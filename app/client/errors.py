"""Errors between a client and the service.

FetalHeadError
├── ServiceUnreachable  no answer at all
├── UnexpectedAnswer    an answer, but of something else: a login page, a proxy, another server
├── WasCancelled        the segmentation was cancelled before it was done
└── ServiceProblem      the service answered with `application/problem+json`
    ├── VolumeRefused   400, 406, 413, 415, 422: this request will never succeed as it is
    ├── AccessDenied    401, 403
    ├── NotFound        404
    ├── Conflict        409
    ├── Overloaded      429, 503, even after every retry
    ├── TookTooLong     408, 504
    └── ServiceFailed   every other status
"""

from __future__ import annotations

import httpx
from pydantic import ValidationError

from app.contract.service import Problem

EXCERPT = 200
CHECK_URL = "Check that the URL is the service's, and which proxies lie between you and it."
SIGN_IN = "Check that the URL is the service's, and whether a proxy or a page to sign in lies between you and it"


class FetalHeadError(Exception):
    """Base of the errors that this client raises."""


class ServiceUnreachable(FetalHeadError):  # noqa: N818
    """The service cannot be reached; the message names the address and the reason."""


class UnexpectedAnswer(FetalHeadError):  # noqa: N818
    """Something between client and service answered in its place, or there is another service at that address."""


class WasCancelled(FetalHeadError):  # noqa: N818
    """Somebody cancelled the segmentation before it was done."""


class ServiceProblem(FetalHeadError):  # noqa: N818
    """The service answered with a problem (RFC 9457), held in `problem`."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        expected = f" Expected: {problem.expected}." if problem.expected else ""
        got = f" Got: {problem.got}." if problem.got else ""
        remedy = f" {problem.remedy}" if problem.remedy else ""
        super().__init__(f"{problem.detail}{expected}{got}{remedy} ({problem.code}, status {problem.status})")

    @property
    def code(self) -> str:
        """The problem's code, such as `spacing_out_of_range`."""
        return self.problem.code

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.problem.status


class VolumeRefused(ServiceProblem):
    """The file cannot be measured or a field is invalid: sending it again unchanged will not help."""


class AccessDenied(ServiceProblem):
    """No key, a wrong one, or one whose role is too low."""


class NotFound(ServiceProblem):
    """There is no such segmentation, model or path."""


class Conflict(ServiceProblem):
    """The request conflicts with the current state, such as a result that is not ready."""


class Overloaded(ServiceProblem):
    """The service takes no more work now, or has no model to run."""


class TookTooLong(ServiceProblem):
    """The upload or the measurement took longer than the service waits; the result will be at `location`."""

    location: str | None = None


class ServiceFailed(ServiceProblem):
    """The service failed."""


KINDS: dict[int, type[ServiceProblem]] = {
    **dict.fromkeys((400, 406, 413, 415, 422), VolumeRefused),
    **dict.fromkeys((401, 403), AccessDenied),
    **dict.fromkeys((408, 504), TookTooLong),
    **dict.fromkeys((429, 503), Overloaded),
    404: NotFound,
    409: Conflict,
}


def error_of(answer: httpx.Response) -> ServiceProblem:
    """Return the error that an answer with status 4xx or 5xx stands for."""
    return KINDS.get(answer.status_code, ServiceFailed)(_problem(answer))


def problem_error(problem: Problem) -> ServiceProblem:
    """Return the error that a stored problem stands for."""
    return KINDS.get(problem.status, ServiceFailed)(problem)


def unexpected_answer(answer: httpx.Response) -> UnexpectedAnswer:
    """Return the error that a successful answer stands for which is not the service's."""
    kind = answer.headers.get("Content-Type", "no content type")
    return UnexpectedAnswer(f"{answer.url} answered as no such service does ({kind}): {_excerpt(answer)}. {SIGN_IN}")


def _excerpt(answer: httpx.Response) -> str:
    return " ".join(answer.text[:EXCERPT].split()) or "nothing"


def _problem(answer: httpx.Response) -> Problem:
    """Return the answer's problem; something between client and service may have answered instead."""
    try:
        return Problem.model_validate_json(answer.content)
    except ValidationError:
        return Problem(
            type="about:blank",
            title=answer.reason_phrase,
            status=answer.status_code,
            detail=f"{answer.url} answered {answer.status_code}: {_excerpt(answer)}",
            code="no_problem_document",
            remedy=CHECK_URL,
        )
