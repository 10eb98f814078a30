"""Errors of the access control.

AccessError
+-- KeyFileError                 the file of API keys cannot be read, or a line of it
+-- UnprotectedError             the service would be open to a network
+-- TokenRefusedError            a bearer token is none of ours, expired or forged
+-- NoRoleError                  a good token that names no role of this service
+-- ProviderUnreachableError     the identity provider's keys cannot be fetched
"""

from __future__ import annotations


class AccessError(Exception):
    """Base of what can go wrong with access."""


class KeyFileError(AccessError):
    """The file of API keys cannot be used."""


class UnprotectedError(AccessError):
    """The service would be open to a network, without authentication."""

    def __init__(self, host: str) -> None:
        super().__init__(
            f"FETALHEAD_HOST {host!r} is reached from other machines, and authentication is off. Set "
            "FETALHEAD_API_KEYS_FILE (fetalhead keys add) or FETALHEAD_OIDC_ISSUER; or say that you want it open: "
            "FETALHEAD_ALLOW_UNAUTHENTICATED=true."
        )


class TokenRefusedError(AccessError):
    """What was presented proves nothing."""


class NoRoleError(AccessError):
    """The caller is known, but may do nothing here."""


class ProviderUnreachableError(AccessError):
    """The identity provider's keys cannot be fetched."""
