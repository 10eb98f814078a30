"""Whether a request is sent again, and after how long."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from app.client.errors import error_of

TRY_LATER = (429, 503)
WITHOUT_REMEDY = frozenset(("model_failed",))
"""Problems with status 503 that waiting does not solve."""


@dataclass(frozen=True)
class Retries:
    """The limits of retrying: attempts per request, attempts without any answer, and the longest pause in seconds."""

    attempts: int = 6
    unanswered: int = 3
    longest_pause_s: float = 60.0

    def pause_s(self, answer: httpx.Response | httpx.TransportError, attempt: int) -> float | None:
        """Return the seconds until the next attempt, or None if there is none."""
        if attempt >= self.attempts:
            return None
        backoff = min(2.0 ** (attempt - 1) / 2, self.longest_pause_s)
        if isinstance(answer, httpx.TransportError):
            lasting = isinstance(answer, httpx.TimeoutException | httpx.UnsupportedProtocol)
            return None if lasting or attempt >= self.unanswered else backoff
        if answer.status_code not in TRY_LATER or error_of(answer).code in WITHOUT_REMEDY:
            return None
        named = _retry_after(answer.headers.get("Retry-After", ""))
        return backoff if named is None else min(named, self.longest_pause_s)


def _retry_after(value: str) -> float | None:
    """Return the seconds from now; the header holds seconds or a date (RFC 9110, section 10.2.3)."""
    if value.strip().isdecimal():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(UTC)).total_seconds()) if moment.tzinfo else None
