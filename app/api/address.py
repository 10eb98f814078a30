"""The address that a request came by: the prefix of a proxy, and a slash too many."""

from __future__ import annotations

import re
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}")
"""A path below which a proxy may serve this service; nothing in it needs escaping in a page or a header."""
LINKS = frozenset(("href", "mask", "preview", "type"))
"""Members of answers that hold a path of the service."""
FORWARDED_PREFIX = "x-forwarded-prefix"


class Addressed:
    """ASGI middleware: the service below the path of a proxy, and every path with or without a slash at its end.

    The prefix is the setting's, or else the header's `X-Forwarded-Prefix`; whether the proxy cuts it off or passes it
    on makes no difference. It is in the scope's `root_path` afterwards, and in the header `Location`.
    """

    def __init__(self, app: ASGIApp, root_path: str) -> None:
        self._app = app
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        prefix = self._root_path or _forwarded_prefix(Headers(scope=scope))

        async def send_below(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("location", "").startswith("/"):
                    headers["Location"] = prefix + headers["Location"]
            await send(message)

        path = _cut(scope["path"], prefix)
        path = path.rstrip("/") or "/"
        await self._app({**scope, "root_path": prefix, "path": prefix + path}, receive, send_below if prefix else send)


def find_root(request: Request) -> str:
    """Return the prefix of every path of this service, as the caller sees it; empty where there is none."""
    scope = request.scope
    root: str = scope.get("app_root_path", scope.get("root_path", ""))  # below a mount `root_path` names that, too
    return root


Root = Annotated[str, Depends(find_root)]
"""The prefix, for a route that gives links."""


def link_below(root: str, content: Any) -> Any:
    """Return JSON content with the service's paths in it as the caller sees them, below its prefix."""
    if not root:
        return content
    if isinstance(content, list):
        return [link_below(root, item) for item in content]
    if not isinstance(content, dict):
        return content
    is_path = {
        name: name in LINKS and isinstance(value, str) and value.startswith("/") for name, value in content.items()
    }
    return {name: root + value if is_path[name] else link_below(root, value) for name, value in content.items()}


def find_route_path(scope: Scope) -> str:
    """Return the path of a request within the service."""
    return _cut(scope["path"], scope.get("root_path", ""))


def _forwarded_prefix(headers: Headers) -> str:
    """Return the prefix that a proxy names (its last one, where several did), none where it is not a plain path."""
    named = headers.get(FORWARDED_PREFIX, "").rsplit(",", 1)[-1].strip().rstrip("/")
    return named if PREFIX.fullmatch(named) else ""


def _cut(path: str, prefix: str) -> str:
    inside = path == prefix or path.startswith(f"{prefix}/")
    return path[len(prefix) :] or "/" if inside else path
