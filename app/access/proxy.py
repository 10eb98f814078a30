"""People whom an authenticating proxy signed in: it names them in a header, which counts from its addresses only."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address
from typing import Final

from app.access.errors import TokenRefusedError
from app.access.roles import ANONYMOUS, Principal, Role
from app.settings import Network

PERSON: Final = re.compile(r"[^\s:](?:[^:]{0,98}[^\s:])?")
"""A name; those with a colon are names of the console's and of tokens."""
TAKEN: Final = frozenset((ANONYMOUS.name, "service"))
"""Names that the audit trail uses for nobody and for the service itself."""
log = logging.getLogger("fetalhead.access")


class ProxyHeader:
    """The header of an authenticating proxy that names the person it signed in."""

    def __init__(self, header: str, role: Role, proxies: Sequence[Network]) -> None:
        """Trust a header from some addresses; whoever it names has the role."""
        self.header = header.lower()
        self._role = role
        self._networks = tuple(proxies)
        self._told = False

    def find(self, values: Sequence[str], peer: str | None) -> Principal | None:
        """Return the person whom the header's values name; None where it is absent, or sent by somebody else.

        `peer` is the address at the other end of the connection, never one that another header tells.

        Raises:
            TokenRefusedError: the proxy sent it more than once, or no name in it.
        """
        if not values:
            return None
        if not self._is_proxy(peer):
            self._tell_once(peer)
            return None
        name = _decode(values[0])
        if len(values) > 1 or not PERSON.fullmatch(name) or not name.isprintable() or name in TAKEN:
            raise TokenRefusedError("the proxy's header names nobody, or several")
        return Principal(name, self._role)

    def _is_proxy(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
        return any((mapped or address) in network for network in self._networks)

    def _tell_once(self, peer: str | None) -> None:
        if not self._told:
            self._told = True
            log.warning("user header ignored: its sender is no trusted proxy", extra={"fields": {"address": peer}})


def _decode(value: str) -> str:
    """Return a header's value as UTF-8 text, which HTTP's servers give as Latin-1; empty where it is none."""
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return ""
