"""The client for asyncio: the same methods, each awaited while a thread asks the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from app.client.blocking import TIMEOUT_S, FetalHead
from app.client.retries import Retries

P = ParamSpec("P")
T = TypeVar("T")


def _make_async(
    method: Callable[Concatenate[FetalHead, P], T],
) -> Callable[Concatenate[AsyncFetalHead, P], Coroutine[Any, Any, T]]:
    @wraps(method)
    async def awaited(client: AsyncFetalHead, /, *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.to_thread(method, client.blocking, *arguments, **named)

    return awaited


class AsyncFetalHead:
    """A client for asyncio: constructed like `FetalHead`, with every method awaited.

    Each call occupies a thread. A cancelled call is no longer awaited, but its thread runs until the answer arrives.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
    ) -> None:
        self.blocking = FetalHead(url, api_key=api_key, timeout_s=timeout_s, retries=retries)

    segment = _make_async(FetalHead.segment)
    result = _make_async(FetalHead.result)
    volumes = _make_async(FetalHead.volumes)
    erase = _make_async(FetalHead.erase)
    models = _make_async(FetalHead.models)
    activate = _make_async(FetalHead.activate)
    ready = _make_async(FetalHead.ready)
    content = _make_async(FetalHead.content)
    close = _make_async(FetalHead.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
