"""Errors of the access control.

AccessError
+-- KeyFileError                 the file of API keys cannot be read, or a line of it
+-- UnprotectedError             the service would be open to a network
+-- TokenRefusedError            a key or token is missing, unknown, expired or forged
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
            f"FETALHEAD_HOST {host!r} can be reached from other machines, and authentication is off. Set "
            "FETALHEAD_API_KEYS_FILE (fetalhead keys add), FETALHEAD_OIDC_ISSUER or FETALHEAD_TRUSTED_USER_HEADER; or "
            "allow everybody in: "
            "FETALHEAD_ALLOW_UNAUTHENTICATED=true."
        )


class TokenRefusedError(AccessError):
    """The key or token is missing, unknown, expired or forged."""


class NoRoleError(AccessError):
    """The caller is known, but may do nothing here."""


class ProviderUnreachableError(AccessError):
    """The identity provider's keys cannot be fetched."""
