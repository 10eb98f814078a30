"""RFC 9457 problems: requests that cannot be served."""

from __future__ import annotations

from collections.abc import Mapping

from app.contract.service import Problem
from app.contract.upload import FieldError
from app.problems.catalogue import PROBLEMS

MEDIA_TYPE = "application/problem+json"
UNAVAILABLE = 503
RETRY_AFTER_S = 5
"""`Retry-After` of a 503 unless a longer time is known."""


class ProblemError(Exception):
    """A request that cannot be served; `code` names an entry of `PROBLEMS`, whose texts are the defaults."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        expected: str | None = None,
        got: str | None = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        kind = PROBLEMS[code]
        super().__init__(code)
        self.kind = kind
        self.headers = dict(headers or {})
        if kind.status == UNAVAILABLE:
            self.headers.setdefault("Retry-After", str(RETRY_AFTER_S))
        remedy = remedy or kind.remedy
        self.problem = Problem(
            type=f"/problems/{code}",
            title=kind.title,
            status=kind.status,
            detail=detail or kind.meaning,
            code=code,
            expected=expected,
            got=got,
            remedy=remedy[0].upper() + remedy[1:],
        )


def field_problem(error: FieldError) -> ProblemError:
    """Return the problem of a field that cannot be used."""
    detail = f"The field {error.name} is {error.what}."
    return ProblemError("invalid_field", detail, expected=error.expected, got=error.got, remedy=error.remedy)
