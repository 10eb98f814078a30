"""Bearer tokens of an OpenID Connect identity provider: signature, issuer, audience, expiry, and the caller's role."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import jwt

from app.access.errors import NoRoleError, ProviderUnreachableError, TokenRefusedError
from app.access.roles import Principal, Role

log = logging.getLogger("fetalhead.access")

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures made with a private key; never `none`, never one with a shared secret."""
REQUIRED: Final = ("exp", "iss", "aud", "sub")
LEEWAY_S: Final = 30
KEYS_GOOD_FOR_S: Final = 600.0
LEAST_BETWEEN_FETCHES_S: Final = 15.0
FETCH_TIMEOUT_S: Final = 5.0
ROLE_PREFIX: Final = "fetalhead-"
UNUSABLE: Final = (
    *(httpx.HTTPError, httpx.InvalidURL, jwt.PyJWTError),
    *(OSError, AttributeError, ImportError, KeyError, TypeError, ValueError),
)
"""The errors of asking a provider: no answer, no JSON, JSON without keys, or a proxy that cannot be used."""
SUBJECT: Final = re.compile(r"[\x21-\x7e]{1,100}")


class OidcTokens:
    """Verifies tokens with the provider's published keys, which are fetched when needed and kept for ten minutes."""

    def __init__(self, issuer: str, audience: str, roles_claim: str = "roles") -> None:
        """Accept this issuer's tokens; `roles_claim` is a path of members, such as `realm_access.roles`."""
        self._issuer, self._audience, self._roles_claim = issuer, audience, roles_claim
        self._keys = _PublishedKeys(issuer)
        self._lock = asyncio.Lock()

    async def verify(self, token: str) -> Principal:
        """Return the caller that a token names.

        Raises:
            TokenRefusedError: the token is not the provider's, not for this service, expired or forged.
            NoRoleError: it names no role of this service.
            ProviderUnreachableError: there are no keys to verify it with.
        """
        key = await self._key(_key_id(token))
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                audience=self._audience,
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": list(REQUIRED)},
            )
        except jwt.PyJWTError as error:
            raise TokenRefusedError(type(error).__name__) from error
        if not SUBJECT.fullmatch(claims["sub"]):
            raise TokenRefusedError("the claim sub is not an identifier")
        role = _role(claims, self._roles_claim)
        if role is None:
            raise NoRoleError(f"the claim {self._roles_claim} holds no role of this service")
        return Principal(f"oidc:{claims['sub']}", role)

    async def _key(self, key_id: str | None) -> jwt.PyJWK:
        try:
            async with self._lock:  # a provider that hangs takes one thread, not all of them
                return await asyncio.to_thread(self._keys.find, key_id)
        except jwt.PyJWKClientError as error:
            raise TokenRefusedError("the token's key is not one of the provider's") from error


class _PublishedKeys(jwt.PyJWKClient):
    """A provider's keys, found by discovery; the last ones fetched are used while the provider cannot be reached."""

    def __init__(self, issuer: str) -> None:
        super().__init__(
            f"{issuer.rstrip('/')}/.well-known/openid-configuration",
            lifespan=KEYS_GOOD_FOR_S,
            timeout=FETCH_TIMEOUT_S,
            ssl_context=httpx.create_ssl_context(),
            cooldown_duration=0,  # `fetch_data` bounds failed attempts too
        )
        self._issuer = issuer
        self._discovery = self.uri
        self._tried: float | None = None
        self._last: jwt.PyJWKSet | None = None

    def find(self, key_id: str | None) -> jwt.PyJWK:
        """Return the key with this identifier, or the only key; raise PyJWKClientError if there is none."""
        if key_id is not None:
            return self.get_signing_key(key_id)
        keys = [key for key in self.get_jwk_set().keys if key.public_key_use in (None, "sig")]
        if len(keys) != 1:
            raise jwt.PyJWKClientError("the token does not say which key signed it")
        return keys[0]

    def fetch_data(self) -> jwt.PyJWKSet:
        """Return the published keys, fetched at most once in 15 seconds; raise ProviderUnreachableError."""
        if self._tried is None or time.monotonic() - self._tried > LEAST_BETWEEN_FETCHES_S:
            self._tried = time.monotonic()
            try:
                self.uri = self._discover()
                self._last = jwt.PyJWKSet.from_dict(super().fetch_data())
            except UNUSABLE as error:
                log.warning("no keys of the identity provider", extra={"fields": {"reason": str(error)}})
        if self._last is None:
            raise ProviderUnreachableError(self._issuer)
        return self._last

    def _discover(self) -> str:
        found = httpx.get(self._discovery, timeout=FETCH_TIMEOUT_S).raise_for_status().json()
        url = str(found["jwks_uri"])
        if found["issuer"] != self._issuer or not (is_private(self._discovery) and is_private(url)):
            raise ValueError(f"{self._discovery} names {found['issuer']} and {url}: another issuer, or unencrypted")
        return url


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or change what comes from a URL: https, or this machine itself."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _key_id(token: str) -> str | None:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise TokenRefusedError("not a token") from error
    if header.get("alg") not in ALGORITHMS:
        raise TokenRefusedError("the token's algorithm is not accepted")
    key_id = header.get("kid")
    return key_id if isinstance(key_id, str) else None


def _role(claims: Mapping[str, Any], path: str) -> Role | None:
    """Return the highest role of this service that a claim holds."""
    found: Any = claims
    for member in path.split("."):
        found = found.get(member) if isinstance(found, Mapping) else None
    words = [found] if isinstance(found, str) else found if isinstance(found, list) else []
    texts = [word.removeprefix(ROLE_PREFIX) for word in words if isinstance(word, str) and word.startswith(ROLE_PREFIX)]
    roles = [role for role in map(Role.find, texts) if role is not None]
    return max(roles, default=None)
