"""Reading `multipart/form-data` into memory, bounded while it streams in.

Nothing is written to a disk, and the names that clients give their files are dropped unread.
"""

from __future__ import annotations

import asyncio
import io
import math
import re
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from app.api.errors import ProblemError
from app.api.problems import PROBLEMS
from app.api.validation import not_known
from app.imaging.nifti import SPACING_MM

VOLUME_FIELD: Final = "volume"
TEXT_FIELDS: Final = ("gestational_age_weeks", "subject", "spacing_mm")
MAX_TEXT_BYTES: Final = 256
ENVELOPE_BYTES: Final = 16 * 1024
"""What boundaries, part headers and text fields may take beside the volume."""
DRAIN_BYTES: Final = 8 * 1024 * 1024
DRAIN_SECONDS: Final = 2.0
GESTATIONAL_AGE_WEEKS: Final = (10.0, 42.0)
SUBJECT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Upload:
    """One request to segment: the file's bytes and the optional fields."""

    payload: bytes
    gestational_age_weeks: float | None = None
    subject: str | None = None
    spacing_mm: tuple[float, float, float] | None = None


async def read_upload(request: Request, max_bytes: int, timeout_s: float) -> Upload:
    """The upload, or a ProblemError that says what is wrong with it."""
    boundary = _boundary(request)
    _refuse_declared_length(request, max_bytes + ENVELOPE_BYTES)
    form = _Form()
    parser = MultipartParser(boundary, form.callbacks())  # type: ignore[arg-type]  # its TypedDict is not exported
    received = 0
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                received += len(chunk)
                if received > max_bytes + ENVELOPE_BYTES:
                    raise _too_large(max_bytes + ENVELOPE_BYTES)
                parser.write(chunk)
        parser.finalize()
    except TimeoutError as error:
        raise ProblemError("upload_timeout", expected=f"the whole body within {timeout_s:g} s") from error
    except FormParserError as error:
        raise ProblemError("malformed_multipart") from error
    except ClientDisconnect as error:
        raise ProblemError("malformed_multipart", "The connection was closed before the body was complete.") from error
    if not form.ended:
        raise ProblemError("malformed_multipart", "The body ends before its last boundary.")
    return _validated(form)


async def drain(request: Request) -> None:
    """Reads and drops a little of a body that was refused, so that the client gets to read the answer.

    A client that is still sending when the connection closes sees a reset instead of the problem.
    """
    if request.headers.get("expect"):
        return  # it waits for our leave before it sends anything
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left <= 0:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return  # RuntimeError: the stream was read to its end, or in part, before


class _Form:
    """Collects the parts as the parser meets them."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.unknown: list[str] = []
        self.volume: io.BytesIO | None = None
        self.ended = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition = b""
        self._part = _Part()

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._header_field,
            "on_header_value": self._add_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._add_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._disposition = b""
        self._part = _Part()

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _add_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _end_header(self) -> None:
        if bytes(self._header_name).lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        self._header_name.clear()
        self._header_value.clear()

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("ascii", "replace")
        if name not in (VOLUME_FIELD, *TEXT_FIELDS):
            self.unknown.append(name)
        if name in self.texts or (name == VOLUME_FIELD and self.volume is not None):
            raise ProblemError("repeated_field", f"The field {name} is there more than once.", expected="one of each")
        self._part = _Part(name)

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.name in self.unknown:
            return
        if part.name != VOLUME_FIELD and part.content.tell() + end - start > MAX_TEXT_BYTES:
            raise ProblemError(
                "invalid_field", f"The field {part.name} is too long.", expected=f"at most {MAX_TEXT_BYTES} bytes"
            )
        part.content.write(memoryview(data)[start:end])

    def _end_part(self) -> None:
        if self._part.name == VOLUME_FIELD:
            self.volume = self._part.content
        elif self._part.name not in self.unknown:
            self.texts[self._part.name] = self._part.content.getvalue().decode("utf-8", "replace").strip()

    def _end(self) -> None:
        self.ended = True


@dataclass
class _Part:
    name: str = ""
    content: io.BytesIO = field(default_factory=io.BytesIO)


def _boundary(request: Request) -> bytes:
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data":
        got = media_type.decode("ascii", "replace")[:100] or "no Content-Type"
        raise ProblemError("not_multipart", expected="Content-Type: multipart/form-data", got=got)
    boundary = options.get(b"boundary", b"")
    if not boundary:
        raise ProblemError("malformed_multipart", "The Content-Type names no boundary.")
    return boundary


def _refuse_declared_length(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit, int(declared))


def _too_large(limit: int, declared: int | None = None) -> ProblemError:
    got = "more" if declared is None else f"{declared} bytes"
    return ProblemError("body_too_large", expected=f"at most {limit} bytes", got=got)


def _unknown_field(form: _Form) -> ProblemError:
    detail, remedy = not_known("field", form.unknown[0]), None
    if form.volume is None:
        detail, remedy = f"{detail} The field {VOLUME_FIELD} is missing.", PROBLEMS["missing_volume"].remedy
    expected = f"the fields {VOLUME_FIELD}, {', '.join(TEXT_FIELDS)}"
    return ProblemError("unknown_field", detail, expected=expected, remedy=remedy)


def _validated(form: _Form) -> Upload:
    if form.unknown:
        raise _unknown_field(form)
    if form.volume is None:
        raise ProblemError("missing_volume")
    texts = {name: text for name, text in form.texts.items() if text}
    return Upload(
        payload=form.volume.getvalue(),
        gestational_age_weeks=_weeks(texts.get("gestational_age_weeks")),
        subject=_subject(texts.get("subject")),
        spacing_mm=_spacing(texts.get("spacing_mm")),
    )


def _weeks(text: str | None) -> float | None:
    if text is None:
        return None
    least, greatest = GESTATIONAL_AGE_WEEKS
    weeks = _number(text)
    if not least <= weeks <= greatest:
        raise ProblemError(
            "invalid_field",
            "The field gestational_age_weeks is no gestational age.",
            expected=f"a number of weeks from {least:g} to {greatest:g}, such as 26.4",
            got="no number" if math.isnan(weeks) else f"{weeks:g}",
        )
    return weeks


def _subject(text: str | None) -> str | None:
    if text is not None and not SUBJECT.fullmatch(text):
        raise ProblemError(  # the text itself is not repeated: it may be a name
            "invalid_field",
            "The field subject is no pseudonym.",
            expected="1 to 64 letters, digits, dots, underscores and hyphens",
            got=f"a text of {len(text)} characters",
            remedy="Send a pseudonym, never a name.",
        )
    return text


def _spacing(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        i, j, k = (_number(piece) for piece in re.split(r"[,;\s]+", text.strip("[]() ")))
    except ValueError as error:
        raise _no_spacing() from error
    least, greatest = SPACING_MM
    if not all(least <= step <= greatest for step in (i, j, k)):
        raise _no_spacing()
    return i, j, k


def _no_spacing() -> ProblemError:
    least, greatest = SPACING_MM
    expected = f"three numbers from {least:g} to {greatest:g}, in mm, such as 0.4,0.4,0.4"
    return ProblemError("invalid_field", "The field spacing_mm is no spacing.", expected=expected)


def _number(text: str) -> float:
    """The number, NaN where it is none: Python itself takes more for numbers than people do, such as 2_6."""
    return float(text) if NUMBER.fullmatch(text) else math.nan
