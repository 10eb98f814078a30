"""When a TLS certificate ends."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.x509 import load_pem_x509_certificates

UNREADABLE: Final = 0.0


def find_end(file: Path) -> float:
    """Return the time at which the first certificate of a chain (PEM) ends, as Unix time; 0 if it cannot be read.

    A certificate that cannot be read is no better than one that has ended.
    """
    try:
        chain = load_pem_x509_certificates(file.read_bytes())
    except (OSError, ValueError):
        return UNREADABLE
    return min(certificate.not_valid_after_utc.timestamp() for certificate in chain)
