"""Authentication and roles, checked before every request.

This runs before the body is read and before routing, so that a route added later is closed, not open.
"""

from __future__ import annotations

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app.access.control import Access
from app.access.errors import AccessError, NoRoleError, ProviderUnreachableError
from app.access.oidc import is_loopback
from app.access.roles import ANONYMOUS, Principal, Role
from app.api.address import find_route_path
from app.api.errors import problem_response
from app.api.upload import drain
from app.problems.problem import ProblemError
from app.service.peer import find_peer

PUBLIC: Final = re.compile(r"/|/health/(live|ready)|/openapi\.json|/(docs|problems|static|viewer)(/.*)?")
"""Paths that reveal nothing about a measurement."""
PROBES: Final = re.compile("/health/(live|ready)")
METRICS: Final = "/metrics"
ADMINISTRATION: Final = re.compile(r"/(models|subjects)(/.*)?")
"""Paths that only admins may change."""
READING: Final = frozenset(("GET", "HEAD", "OPTIONS"))
OWN_SITES: Final = frozenset(("same-origin", "none"))
"""What browsers say in `Sec-Fetch-Site` of the service's own pages, and of what a person does outside of pages."""
OF_NO_OTHER_PAGE: Final = "a request of the service's own pages, or of no page"
CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="fetalhead"'}


class Guarded:
    """ASGI middleware that puts the caller into `request.state.principal`."""

    def __init__(self, app: ASGIApp, access: Access, metrics_public: bool) -> None:
        self._app = app
        self._access = access
        self._metrics_public = metrics_public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or refuse it."""
        if scope["type"] == "http":
            try:
                await self._admit(scope)
            except ProblemError as problem:
                request = Request(scope, receive)
                await drain(request)
                await problem_response(request, problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        principal = scope.setdefault("state", {})["principal"] = await self._find_caller(scope)
        if not self._access.open and not _is_public(scope["method"], find_route_path(scope), self._metrics_public):
            require(principal, needed_role(scope["method"], find_route_path(scope)))

    async def _find_caller(self, scope: Scope) -> Principal:
        headers, path = Headers(scope=scope), find_route_path(scope)
        if scope["method"] in READING and PROBES.fullmatch(path):  # asked by address, or naming no host at all
            return Principal("anonymous", Role.READER)
        if self._access.open:
            _refuse_other_sites(headers, self._access.local_only)
            return ANONYMOUS
        if _is_public(scope["method"], path, self._metrics_public):
            return Principal("anonymous", Role.READER)
        person = self._find_person(scope, headers)
        return person or await self._identify(_presented_token(headers))

    def _find_person(self, scope: Scope, headers: Headers) -> Principal | None:
        """Return whom a trusted proxy signed in; a browser sends its cookie for other sites' pages, too."""
        header = self._access.user_header
        if header is None:
            return None
        try:
            person = self._access.find_person(headers.getlist(header), find_peer(scope))
        except AccessError as error:
            raise ProblemError("unauthenticated", headers=CHALLENGE) from error
        if person is not None and scope["method"] not in READING:
            _refuse_changes_of_other_sites(headers)
        return person

    async def _identify(self, token: str | None) -> Principal:
        try:
            return await self._access.identify(token)
        except NoRoleError as error:
            raise ProblemError("forbidden", expected="a token with a role of this service") from error
        except ProviderUnreachableError as error:
            raise ProblemError("identity_provider_unreachable", headers={"Retry-After": "15"}) from error
        except AccessError as error:
            raise ProblemError("unauthenticated", headers=CHALLENGE) from error


def needed_role(method: str, path: str) -> Role:
    """Return the lowest role that a request needs: readers read, operators change, admins administer.

    >>> needed_role("POST", "/segment").word, needed_role("PUT", "/models/active").word
    ('operator', 'admin')
    """
    if method in READING:
        return Role.READER
    return Role.ADMIN if ADMINISTRATION.fullmatch(path) else Role.OPERATOR


def require(principal: Principal, role: Role) -> None:
    """Raise the problem `forbidden` if the caller's role is too low."""
    if principal.role < role:
        raise ProblemError("forbidden", expected=f"the role {role.word}", got=f"the role {principal.role.word}")


def require_owner(principal: Principal, owner: str | None) -> None:
    """Raise the problem `forbidden` unless the caller is the owner or an admin."""
    if principal.role < Role.ADMIN and owner != principal.name:
        raise ProblemError(
            "forbidden", "This segmentation is another caller's.", expected=f"its owner, or the role {Role.ADMIN.word}"
        )


def caller(request: Request) -> Principal:
    """Return who sent the request."""
    principal: Principal = request.state.principal
    return principal


Caller = Annotated[Principal, Depends(caller)]


def _is_public(method: str, path: str, metrics_public: bool) -> bool:
    return method in READING and (PUBLIC.fullmatch(path) is not None or (metrics_public and path == METRICS))


def _presented_token(headers: Headers) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key")


def _refuse_other_sites(headers: Headers, local_only: bool) -> None:
    """Keep other sites' pages from using a service without authentication.

    A page of another site may send forms here (the request names its origin), or let its own name resolve to this
    machine (the request names that host).
    """
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    origin = headers.get("origin")
    if local_only and not is_loopback(host):
        raise ProblemError("cross_origin", expected="the host localhost or 127.0.0.1")
    if origin is not None and urlsplit(origin).hostname != host:
        raise ProblemError("cross_origin", expected=OF_NO_OTHER_PAGE)


def _refuse_changes_of_other_sites(headers: Headers) -> None:
    """Refuse what a page of another site has somebody's browser send with the cookie of a proxy."""
    site, host = headers.get("sec-fetch-site"), urlsplit(f"//{headers.get('host', '')}").hostname
    own = site in OWN_SITES if site else urlsplit(headers.get("origin", f"//{host}")).hostname == host
    if not own:
        raise ProblemError(
            "cross_origin",
            "A page of another site sent this in the name of somebody who is signed in.",
            expected=OF_NO_OTHER_PAGE,
            remedy="Use the service's own pages. The proxy has to pass on the Host of each request.",
        )
