"""The two faces of the client: one waits, the other awaits. What they say to the service is in `protocol`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from functools import wraps
from importlib.metadata import version
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import httpx

from app.client.protocol import Answer, Call, Conversations, Flow, Retries, Wait

DEFAULT_URL: Final = "http://127.0.0.1:8000"
URL_VARIABLE: Final = "FETALHEAD_URL"
KEY_VARIABLE: Final = "FETALHEAD_API_KEY"
TIMEOUT_S: Final = 660.0
"""Longer than the service lets a request wait by default, so that its own answer comes first."""
CONNECT_TIMEOUT_S: Final = 10.0
FIELD: Final = "volume"
P = ParamSpec("P")
T = TypeVar("T")


def blocking(
    flow: Callable[Concatenate[Conversations, P], Flow[T]],
) -> Callable[Concatenate[FetalHead, P], T]:
    """A flow as a method that waits."""

    @wraps(flow)
    def method(client: FetalHead, /, *arguments: P.args, **named: P.kwargs) -> T:
        return client.perform(flow(client.conversations, *arguments, **named))

    return method


def awaiting(
    flow: Callable[Concatenate[Conversations, P], Flow[T]],
) -> Callable[Concatenate[AsyncFetalHead, P], Coroutine[Any, Any, T]]:
    """A flow as a method to be awaited."""

    @wraps(flow)
    async def method(client: AsyncFetalHead, /, *arguments: P.args, **named: P.kwargs) -> T:
        return await client.perform(flow(client.conversations, *arguments, **named))

    return method


class _Shell:
    """What both clients are: how a flow is carried out, over a connection that each of them opens in its own way.

    It is written once, to be awaited. Where nothing ever suspends, as in `FetalHead`, awaiting is an ordinary call.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        api_key: str | None = None,
        timeout_s: float = TIMEOUT_S,
        retries: Retries | None = None,
    ) -> None:
        self.conversations = Conversations(retries or Retries())
        self._connect(_options(url, api_key, timeout_s))

    async def _carry_out(self, flow: Flow[T]) -> T:
        step: Call | Wait = next(flow)
        try:
            while True:
                step = flow.send(await (self._pause(step.seconds) if isinstance(step, Wait) else self._answer(step)))
        except StopIteration as end:
            result: T = end.value
            return result

    async def _answer(self, call: Call) -> Answer:
        try:
            if call.opened is None:
                return await self._send(_request(call))
            with call.opened() as file:
                return await self._send({**_request(call), "files": {FIELD: file}})
        except httpx.TransportError as error:
            return error

    def _connect(self, options: dict[str, Any]) -> None:
        """Open the connections, with what httpx makes a client of."""
        raise NotImplementedError

    async def _send(self, request: dict[str, Any]) -> httpx.Response:
        """One request in httpx' words, and its answer."""
        raise NotImplementedError

    async def _pause(self, seconds: float) -> None:
        raise NotImplementedError


class FetalHead(_Shell):
    """A running service, asked from ordinary code; safe to use from several threads.

    Args:
        url: where the service listens; by default `FETALHEAD_URL`, or port 8000 of this machine.
        api_key: an API key or a bearer token; by default `FETALHEAD_API_KEY`.
        timeout_s: how long one answer may take, in seconds.
        retries: how patiently 429, 503 and broken connections are borne.
    """

    segment = blocking(Conversations.segment)
    result = blocking(Conversations.result)
    volumes = blocking(Conversations.volumes)
    erase = blocking(Conversations.erase)
    models = blocking(Conversations.models)
    ready = blocking(Conversations.ready)
    content = blocking(Conversations.content)

    def perform(self, flow: Flow[T]) -> T:
        """Do what a flow asks for, and give its result."""
        steps = self._carry_out(flow)
        try:
            steps.send(None)
        except StopIteration as end:
            result: T = end.value
            return result
        raise RuntimeError("a client that waits was made to await")

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _connect(self, options: dict[str, Any]) -> None:
        self._http = httpx.Client(**options)

    async def _send(self, request: dict[str, Any]) -> httpx.Response:
        return self._http.request(**request)

    async def _pause(self, seconds: float) -> None:
        time.sleep(seconds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncFetalHead(_Shell):
    """The same service, asked from asyncio: made as `FetalHead` is, every method awaited."""

    segment = awaiting(Conversations.segment)
    result = awaiting(Conversations.result)
    volumes = awaiting(Conversations.volumes)
    erase = awaiting(Conversations.erase)
    models = awaiting(Conversations.models)
    ready = awaiting(Conversations.ready)
    content = awaiting(Conversations.content)

    async def perform(self, flow: Flow[T]) -> T:
        """Do what a flow asks for, and give its result."""
        return await self._carry_out(flow)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _connect(self, options: dict[str, Any]) -> None:
        self._http = httpx.AsyncClient(**options)

    async def _send(self, request: dict[str, Any]) -> httpx.Response:
        return await self._http.request(**request)

    async def _pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _options(url: str | None, api_key: str | None, timeout_s: float) -> dict[str, Any]:
    """What both kinds of httpx client are made with."""
    key = api_key or os.environ.get(KEY_VARIABLE)
    headers = {"User-Agent": f"fetalhead-client/{version('fetalhead')}"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    return {
        "base_url": url or os.environ.get(URL_VARIABLE) or DEFAULT_URL,
        "headers": headers,
        "timeout": httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
    }


def _request(call: Call) -> dict[str, Any]:
    """A call in httpx' words, but for the file."""
    return {
        "method": call.method,
        "url": call.path,
        "headers": dict(call.headers),
        "params": dict(call.query),
        "data": dict(call.fields),
    }
