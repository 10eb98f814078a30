"""Bearer tokens of an OpenID Connect identity provider: signature, issuer, audience, expiry, and the caller's role."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from app.access.errors import NoRoleError, ProviderUnreachableError, TokenRefusedError
from app.access.roles import Principal, Role

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that need a private key; never `none`, never one that shares a secret."""
REQUIRED: Final = ("exp", "iss", "aud", "sub")
LEEWAY_S: Final = 30
KEYS_GOOD_FOR_S: Final = 600.0
LEAST_BETWEEN_FETCHES_S: Final = 15.0
FETCH_TIMEOUT_S: Final = 5.0
ROLE_PREFIX: Final = "fetalhead-"
SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,100}")


@dataclass(frozen=True)
class OidcSettings:
    """Whose tokens are taken. `roles_claim` is a path of members, such as `realm_access.roles`."""

    issuer: str
    audience: str
    roles_claim: str = "roles"


class OidcTokens:
    """Verifies tokens with the provider's published keys, which are fetched when needed and kept for ten minutes."""

    def __init__(self, settings: OidcSettings) -> None:
        self._settings = settings
        self._keys: dict[str | None, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._tried: float | None = None
        self._lock = asyncio.Lock()

    async def verify(self, token: str) -> Principal:
        """The caller that a token names.

        Raises:
            TokenRefusedError: the token is none of the provider's, not for this service, expired or forged.
            NoRoleError: it names no role of this service.
            ProviderUnreachableError: there are no keys to verify it with.
        """
        key = await self._key(_key_id(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._settings.audience,
                issuer=self._settings.issuer,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED)},
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError(type(error).__name__) from error
        if not SUBJECT.fullmatch(claims["sub"]):
            raise TokenRefusedError("the claim sub is no identifier")
        role = _role(claims, self._settings.roles_claim)
        if role is None:
            raise NoRoleError(f"the claim {self._settings.roles_claim} holds no role of this service")
        return Principal(f"oidc:{claims['sub']}", role)

    async def _key(self, key_id: str | None) -> jwt.PyJWK:
        async with self._lock:
            if key_id not in self._keys or _older(self._fetched, KEYS_GOOD_FOR_S):
                await self._refresh()
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if key_id not in self._keys:
            raise TokenRefusedError("the token's key is none of the provider's")
        return self._keys[key_id]

    async def _refresh(self) -> None:
        """Fetches the keys, not more often than every few seconds; keys that are known stay where that fails."""
        if not _older(self._tried, LEAST_BETWEEN_FETCHES_S):
            if self._fetched is None:
                raise ProviderUnreachableError(self._settings.issuer)
            return
        self._tried = time.monotonic()
        try:
            self._keys = _usable(await self._fetch())
            self._fetched = time.monotonic()
        except (httpx.HTTPError, ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            if self._fetched is None:
                raise ProviderUnreachableError(self._settings.issuer) from error

    async def _fetch(self) -> Any:
        async with httpx.AsyncClient(timeout=FETCH_TIMEOUT_S) as client:
            found = await _json(client, f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
            if found["issuer"] != self._settings.issuer:
                raise ValueError("the provider calls itself by another name")
            url = str(found["jwks_uri"])
            if not is_private(url):
                raise ValueError("the keys would come unencrypted")
            return await _json(client, url)


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what comes from a URL: https, or this very machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether a host is this very machine, to itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


async def _json(client: httpx.AsyncClient, url: str) -> Any:
    answer = await client.get(url)
    answer.raise_for_status()
    return answer.json()


def _usable(content: Any) -> dict[str | None, jwt.PyJWK]:
    """The signing keys of a key set, by identifier; those of kinds that are not known here are left out."""
    keys = jwt.PyJWKSet.from_dict(content).keys
    return {key.key_id: key for key in keys if key.public_key_use in (None, "sig")}


def _key_id(token: str) -> str | None:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise TokenRefusedError("no token at all") from error
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefusedError("the token's algorithm is not accepted")
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None


def _role(claims: Mapping[str, Any], path: str) -> Role | None:
    """The highest role of this service that a claim holds."""
    found: Any = claims
    for member in path.split("."):
        found = found.get(member) if isinstance(found, Mapping) else None
    words = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    texts = [word.removeprefix(ROLE_PREFIX) for word in words if isinstance(word, str) and word.startswith(ROLE_PREFIX)]
    roles = [role for role in map(Role.named, texts) if role is not None]
    return max(roles, default=None)


def _older(moment: float | None, seconds: float) -> bool:
    return moment is None or time.monotonic() - moment > seconds
