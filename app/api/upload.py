"""Reading `multipart/form-data` into memory, bounded while it streams in.

Nothing is written to disk, and the file names that clients send are ignored.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import AsyncGenerator
from typing import Final, cast

from python_multipart.multipart import parse_options_header
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from app.api.validation import describe_unknown
from app.contract.upload import FieldError, Upload, VolumeFields
from app.problems.catalogue import PROBLEMS
from app.problems.problem import ProblemError, field_problem

VOLUME_FIELD: Final = "volume"
TEXT_FIELDS: Final = tuple(VolumeFields.model_fields)
MAX_TEXT_BYTES: Final = 256
ENVELOPE_BYTES: Final = 16 * 1024
"""Room for boundaries, part headers and text fields beside the volume."""
DRAIN_BYTES: Final = 8 * 1024 * 1024
DRAIN_SECONDS: Final = 2.0


async def read_upload(request: Request, max_bytes: int, timeout_s: float) -> Upload:
    """Return the upload, or raise the ProblemError that describes what is wrong with it."""
    _refuse_other_media(request)
    limit = max_bytes + ENVELOPE_BYTES
    _refuse_declared_length(request, limit)
    try:
        async with asyncio.timeout(timeout_s):
            form = await _FormParser(request, limit).parse()
    except TimeoutError as error:
        raise ProblemError("upload_timeout", expected=f"the whole body within {timeout_s:g} s") from error
    except MultiPartException as error:
        raise ProblemError("malformed_multipart") from error
    except ClientDisconnect as error:
        raise ProblemError("malformed_multipart", "The connection was closed before the body was complete.") from error
    try:
        parts = [(name, await cast(UploadFile, part).read()) for name, part in form.multi_items()]
    finally:
        await form.close()
    return _validate(parts)


async def drain(request: Request) -> None:
    """Read and discard the beginning of a refused body, so that the client can read the answer.

    A client that is still sending when the connection closes sees a reset instead of the problem.
    """
    if request.headers.get("expect"):
        return  # the client waits for permission before it sends anything
    left = DRAIN_BYTES
    try:
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in request.stream():
                left -= len(chunk)
                if left <= 0:
                    return
    except (TimeoutError, ClientDisconnect, RuntimeError):
        return  # RuntimeError: the stream was read to its end, or in part, before


class _FormParser(MultiPartParser):
    """Starlette's parser, changed to treat every part as a file and keep it in memory."""

    spool_max_size = sys.maxsize  # nothing goes to the disk: the stream is bounded

    def __init__(self, request: Request, limit: int) -> None:
        super().__init__(request.headers, self._bounded(request, limit))
        self._ended = False

    def on_headers_finished(self) -> None:
        _, _, options = (self._current_part.content_disposition or b"").partition(b";")
        self._current_part.content_disposition = b'form-data; name=""; ' + options + b"; filename=part"
        super().on_headers_finished()

    def on_end(self) -> None:
        self._ended = True

    async def _bounded(self, request: Request, limit: int) -> AsyncGenerator[bytes, None]:
        received, preamble, boundary = 0, b"", b"--" + _find_boundary(request)
        first: re.Pattern[bytes] | None = re.compile(rb"\r\n" + re.escape(boundary) + rb"(--|[ \t]*\r\n)")
        async for chunk in request.stream():
            received += len(chunk)
            if received > limit:
                raise _too_large(limit)
            if first:  # still before the first boundary: what stands there is passed over (RFC 2046, 5.1.1)
                preamble += chunk
                found = first.search(b"\r\n" + preamble)
                if found is None and len(preamble) < ENVELOPE_BYTES:
                    continue
                if found is not None:  # without spaces behind the first boundary, which Starlette's parser refuses
                    preamble = boundary + found[1].lstrip(b" \t") + preamble[found.end() - 2 :]
                chunk, first = preamble, None  # noqa: PLW2901
            yield chunk
        if not self._ended:
            raise ProblemError("malformed_multipart", "The body ends before its last boundary.")


async def read_body(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """Return the body, or raise the problem `body_too_large`, `upload_timeout` or `bad_request`."""
    received = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                received += chunk
                if len(received) > max_bytes:
                    raise ProblemError("body_too_large", expected=f"at most {max_bytes} bytes", got="more")
    except TimeoutError as error:
        raise ProblemError("upload_timeout", expected=f"the whole body within {timeout_s:g} s") from error
    except ClientDisconnect as error:
        raise ProblemError("bad_request", "The connection was closed before the body was complete.") from error
    except ProblemError:
        await drain(request)
        raise
    return bytes(received)


def _refuse_other_media(request: Request) -> None:
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        raise ProblemError(
            "content_coded",
            expected="a body without Content-Encoding",
            got=f"Content-Encoding: {coding[:40]}",
            headers={"Accept-Encoding": "identity"},
        )
    media_type, options = parse_options_header(request.headers.get("content-type"))
    if media_type != b"multipart/form-data":
        got = media_type.decode("ascii", "replace")[:100] or "no Content-Type"
        raise ProblemError("not_multipart", expected="Content-Type: multipart/form-data", got=got)
    if not options.get(b"boundary"):
        raise ProblemError("malformed_multipart", "The Content-Type names no boundary.")


def _find_boundary(request: Request) -> bytes:
    return parse_options_header(request.headers.get("content-type"))[1][b"boundary"]


def _refuse_declared_length(request: Request, limit: int) -> None:
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit, int(declared))


def _too_large(limit: int, declared: int | None = None) -> ProblemError:
    got = "more" if declared is None else f"{declared} bytes"
    return ProblemError("body_too_large", expected=f"at most {limit} bytes", got=got)


def _validate(parts: list[tuple[str, bytes]]) -> Upload:
    _refuse_wrong_parts(parts)
    fields = dict(parts)
    texts = {name: fields.get(name, b"").decode("utf-8", "replace").strip() for name in TEXT_FIELDS}
    try:
        values = VolumeFields.parse(**{name: text for name, text in texts.items() if text})
    except FieldError as error:
        raise field_problem(error) from error
    return Upload(fields[VOLUME_FIELD], values)


def _refuse_wrong_parts(parts: list[tuple[str, bytes]]) -> None:
    unknown, known = [], set()
    for name, content in parts:
        if name in known:
            raise ProblemError("repeated_field", f"The field {name} is there more than once.", expected="one of each")
        if name in TEXT_FIELDS and len(content) > MAX_TEXT_BYTES:
            raise ProblemError(
                "invalid_field", f"The field {name} is too long.", expected=f"at most {MAX_TEXT_BYTES} bytes"
            )
        if name in (VOLUME_FIELD, *TEXT_FIELDS):
            known.add(name)
        else:
            unknown.append(name)
    if unknown:
        raise _unknown_field(unknown[0], VOLUME_FIELD in known)
    if VOLUME_FIELD not in known:
        raise ProblemError("missing_volume")


def _unknown_field(name: str, has_volume: bool) -> ProblemError:
    detail, remedy = describe_unknown("field", name), None
    if not has_volume:
        detail, remedy = f"{detail} The field {VOLUME_FIELD} is missing.", PROBLEMS["missing_volume"].remedy
    expected = f"the fields {VOLUME_FIELD}, {', '.join(TEXT_FIELDS)}"
    return ProblemError("unknown_field", detail, expected=expected, remedy=remedy)
