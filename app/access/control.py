"""Who is calling: by API key, by bearer token, by a proxy's word, or anybody where authentication is off."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from app.access.errors import TokenRefusedError, UnprotectedError
from app.access.keys import PREFIX, ApiKeys
from app.access.oidc import OidcTokens, is_loopback
from app.access.proxy import ProxyHeader
from app.access.roles import ANONYMOUS, Principal, Role
from app.settings import Settings

log = logging.getLogger("fetalhead.access")


class Access:
    """The access control of one application."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keys = None if settings.api_keys_file is None else ApiKeys(settings.api_keys_file)
        self._tokens: OidcTokens | None = None
        if settings.oidc_issuer is not None and settings.oidc_audience is not None:
            self._tokens = OidcTokens(settings.oidc_issuer, settings.oidc_audience, settings.oidc_roles_claim)
        self._proxy: ProxyHeader | None = None
        if settings.trusted_user_header is not None:
            role = Role[settings.trusted_user_role.upper()]
            self._proxy = ProxyHeader(settings.trusted_user_header, role, settings.trusted_networks)
        self._reported: str | None = None

    @property
    def open(self) -> bool:
        """Whether authentication is off."""
        return self._keys is None and self._tokens is None and self._proxy is None

    @property
    def local_only(self) -> bool:
        """Whether authentication is off because nobody but this machine is meant to call."""
        return self.open and not self._settings.allow_unauthenticated

    def check(self) -> None:
        """Raise an AccessError if the service must not start with these settings."""
        if self.local_only and not is_loopback(self._settings.host):
            raise UnprotectedError(self._settings.host)
        if self._keys is not None:
            self._keys.load()
            if self._keys.is_empty and self._tokens is None and self._proxy is None:
                log.warning("no API key yet, every caller is refused: fetalhead keys add")

    @property
    def user_header(self) -> str | None:
        """The name of the header that a trusted proxy names people in, if there is one."""
        return None if self._proxy is None else self._proxy.header

    def find_person(self, values: Sequence[str], peer: str | None) -> Principal | None:
        """Return whom a trusted proxy signed in, by the values of its header and the address that sent them.

        Raises:
            TokenRefusedError: as `ProxyHeader.find`.
        """
        return None if self._proxy is None else self._proxy.find(values, peer)

    async def identify(self, token: str | None) -> Principal:
        """Return the caller who presents a key or a token.

        Raises:
            TokenRefusedError: it proves nothing, or there is none.
            NoRoleError, ProviderUnreachableError: as `OidcTokens.verify`.
        """
        if self.open:
            return ANONYMOUS
        if token is None:
            raise TokenRefusedError("no key and no token")
        if self._keys is not None and token.startswith(PREFIX):
            return self._holder(self._keys, token)
        if self._tokens is None:
            raise TokenRefusedError("no key")
        return await self._tokens.verify(token)

    def _holder(self, keys: ApiKeys, token: str) -> Principal:
        found = keys.find(token)
        if keys.problem != self._reported:
            self._reported = keys.problem
            if keys.problem is not None:
                log.error("api keys not reloaded", extra={"fields": {"detail": keys.problem}})
        if found is None:
            raise TokenRefusedError("an unknown, revoked or expired key")
        return found
