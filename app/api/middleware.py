"""Around every request: security headers, metrics, a log line, HEAD, and an answer to unexpected errors."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
import uuid

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import problem_response
from app.monitoring.metrics import Metrics
from app.problems.translate import translate_error
from app.service.peer import find_peer

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
REFUSALS = frozenset((401, 403, 429))
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}")
METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
log = logging.getLogger("fetalhead.requests")


class Observed:
    """ASGI middleware that counts and logs requests by route template, without identifiers or queries."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        request_id = _request_id(Headers(scope=scope))

        async def send_hardened(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self._app(scope, receive, send_hardened)
        except Exception as error:
            problem = translate_error(error)
            if status:  # the answer has begun: no other status can be sent
                raise
            response = problem_response(Request(scope), problem)
            await response(scope, receive, send_hardened)
        finally:
            self._note(scope, status, time.perf_counter() - started, request_id)

    def _note(self, scope: Scope, status: int, seconds: float, request_id: str) -> None:
        route, method = route_template(scope), scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.requests.labels(route, method, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        fields = {
            "route": route,
            "method": method,
            "status": status,
            "seconds": round(seconds, 4),
            "request": request_id,
        }
        if status in REFUSALS:
            log.warning("refused", extra={"fields": fields | _describe_sender(scope)})
            return
        level = logging.DEBUG if route.startswith(("/health", "/metrics")) else logging.INFO
        log.log(level, "request", extra={"fields": fields})


class Headed:
    """ASGI middleware that answers HEAD like GET without the body, which load balancers ask for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send_head)
        finally:
            scope["route"] = asked.get("route")  # for the metrics


def _request_id(headers: Headers) -> str:
    """Return the identifier that the sender gave the request, or a new one where that is none to write into a log."""
    given = headers.get("x-request-id", "")
    return given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _describe_sender(scope: Scope) -> dict[str, str | None]:
    """Return who sent a request and from where; only refused requests are logged with it."""
    principal, client = scope.get("state", {}).get("principal"), scope.get("client")
    name = None if principal is None else principal.name
    named = find_peer(scope) if client is None or not _is_address(client[0]) else client[0]
    return {"caller": name, "address": named}


def _is_address(named: str) -> bool:
    """Return whether this is an address: a proxy may hand on whatever its caller wrote for one."""
    try:
        ipaddress.ip_address(named)
    except ValueError:
        return False
    return "%" not in named  # behind it, anything may name an interface


def route_template(scope: Scope) -> str:
    """Return the path template of the route that serves a request, or would have, such as `/models/{version}`."""
    route = scope.get("route") or _find_route(scope)
    path = getattr(route, "path", None)
    return path if isinstance(path, str) else "other"


def _find_route(scope: Scope) -> BaseRoute | None:
    """Return the route of a request that was refused before it came to one."""
    routes: list[BaseRoute] = scope["app"].routes if "app" in scope else []
    single = [
        inner for route in routes for inner in getattr(getattr(route, "original_router", None), "routes", [route])
    ]
    return next((route for route in single if route.matches(scope)[0] is Match.FULL), None)
