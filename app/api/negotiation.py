"""Choosing a media type by the `Accept` header (RFC 9110, section 12.5.1)."""

from __future__ import annotations

from collections.abc import Sequence


def preferred_type(accept: str | None, offers: Sequence[str]) -> str | None:
    """Return the offer that the client prefers, the earlier one on a tie; None if it accepts none of them.

    >>> preferred_type("application/zip;q=0.5, application/gzip", ["application/json", "application/zip"])
    'application/zip'
    >>> preferred_type("*/*", ["application/json", "application/zip"])
    'application/json'
    """
    if accept is None or not accept.strip():
        return offers[0]
    ranges = [_parse(part) for part in accept.split(",") if part.strip()]
    best = max(offers, key=lambda offer: (_quality(offer, ranges), -offers.index(offer)))
    return best if _quality(best, ranges) > 0 else None


def _parse(media_range: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in media_range.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            quality = _number(parameter[2:])
    return name, quality


def _number(text: str) -> float:
    try:
        return min(1.0, max(0.0, float(text)))
    except ValueError:
        return 0.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    family = offer.partition("/")[0] + "/*"
    for pattern in (offer, family, "*/*"):  # the most specific range decides
        matching = [quality for name, quality in ranges if name == pattern]
        if matching:
            return max(matching)
    return 0.0
