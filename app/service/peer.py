"""Who is at the other end of a connection, which a header must not change."""

from __future__ import annotations

import os

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

PEER = "fetalhead.peer"
PROXIES_OF_ADDRESSES = "FORWARDED_ALLOW_IPS"
"""Uvicorn's own variable: whose `X-Forwarded-For` and `X-Forwarded-Proto` count, in the log and in links."""
THIS_MACHINE = "127.0.0.1,::1"


class Peered:
    """ASGI application around another: it notes the peer's address before `X-Forwarded-For` takes its place."""

    def __init__(self, app: ASGIApp) -> None:
        proxies = os.environ.get(PROXIES_OF_ADDRESSES, THIS_MACHINE)
        self._app = ProxyHeadersMiddleware(app, trusted_hosts=proxies)  # type: ignore[arg-type]  # the same protocol

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        client = scope.get("client")
        await self._app({**scope, PEER: client and client[0]}, receive, send)  # type: ignore[arg-type]


def find_peer(scope: Scope) -> str | None:
    """Return the address of a connection's other end; None where the server did not note it."""
    peer: str | None = scope.get(PEER)
    return peer
