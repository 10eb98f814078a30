"""A request's body that is one thing, bounded while it streams in."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from app.api.upload import drain
from app.problems.problem import ProblemError


async def read_body(request: Request, max_bytes: int, timeout_s: float) -> bytes:
    """The body; or the problem `body_too_large`, `upload_timeout` or `bad_request`."""
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
