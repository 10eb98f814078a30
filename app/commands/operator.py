"""Who works at this machine's console, as the audit trail names them."""

from __future__ import annotations

import getpass


def operator() -> str:
    """The name of the account, marked as one of the console."""
    return f"console:{getpass.getuser()}"
