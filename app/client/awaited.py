"""The client for asyncio: the same methods, each awaited while a thread of its own asks the service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from app.client.blocking import TIMEOUT_S, FetalHead
from app.client.retries import Retries

P = ParamSpec("P")
T = TypeVar("T")


def _awaited(
    method: Callable[Concatenate[FetalHead, P], T],
) -> Callable[Concatenate[AsyncFetalHead, P], Coroutine[Any, Any, T]]:
    @wraps(method)
    async def awaited(client: AsyncFetalHead, /, *arguments: P.args, **named: P.kwargs) -> T:
        return await asyncio.to_thread(method, client.blocking, *arguments, **named)

    return awaited


class AsyncFetalHead:
    """The same service, asked from asyncio: made as `FetalHead` is, every method awaited.

    Each call takes a thread. One that is cancelled is no longer waited for, but its thread stays until the answer.
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

    segment = _awaited(FetalHead.segment)
    result = _awaited(FetalHead.result)
    volumes = _awaited(FetalHead.volumes)
    erase = _awaited(FetalHead.erase)
    models = _awaited(FetalHead.models)
    activate = _awaited(FetalHead.activate)
    ready = _awaited(FetalHead.ready)
    content = _awaited(FetalHead.content)
    close = _awaited(FetalHead.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
