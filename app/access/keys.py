"""The file of API keys: one line per key with its holder's name, its role, its SHA-256 and the day it expires.

A key is 256 random bits, so it cannot be recovered from its plain hash; the key itself is shown once and never stored.
"""

from __future__ import annotations

import re
import secrets
import stat
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

from app.access.errors import KeyFileError
from app.access.roles import ROLE_WORDS, Principal, Role
from app.files import FOR_THE_OWNER, digest, write_atomically

PREFIX: Final = "fetalhead_"
SECRET_BYTES: Final = 32
FINGERPRINT: Final = 12
HEADING: Final = "# name role sha256-of-the-key last-day-of-validity"
NAME: Final = re.compile(r"[A-Za-z0-9._@-]{1,64}")
SHA256: Final = re.compile(r"[0-9a-f]{64}")
LINE_WORDS: Final = (3, 4)


@dataclass(frozen=True)
class ApiKey:
    """One line of the file; `expires` is the last day on which the key is valid (UTC), None if it never expires."""

    name: str
    role: Role
    sha256: str
    expires: date | None = None

    @property
    def fingerprint(self) -> str:
        """The beginning of the hash: enough to tell keys apart."""
        return self.sha256[:FINGERPRINT]

    @property
    def expired(self) -> bool:
        """Whether its last day has passed."""
        return self.expires is not None and datetime.now(UTC).date() > self.expires

    def line(self) -> str:
        """Return the key as the file holds it."""
        words = [self.name, self.role.word, self.sha256]
        return " ".join(words if self.expires is None else [*words, self.expires.isoformat()])


class KeyFile:
    """The file, read and changed; a change replaces it in one step, so that no reader sees half of it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> tuple[ApiKey, ...]:
        """Return every key of the file; raise KeyFileError if it cannot be read or a line is not a key."""
        try:
            if self.path.stat().st_mode & stat.S_IWOTH:
                raise KeyFileError(f"{self.path} can be written by everybody; run chmod 600 on it.")
            lines = self.path.read_text("utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise KeyFileError(f"FETALHEAD_API_KEYS_FILE {self.path} cannot be read: {reason}.") from error
        return tuple(
            self._parse(number, line)
            for number, line in enumerate(lines, start=1)
            if line.strip() and not line.lstrip().startswith("#")
        )

    def add(self, name: str, role: Role, expires: date | None = None) -> str:
        """Add a key for a holder, who may have others, and return it; it cannot be looked up later."""
        if not NAME.fullmatch(name):
            raise KeyFileError(f"{name!r} is not a valid name: expected 1 to 64 letters, digits and . _ @ -")
        key = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        self._write([*self._read_or_none(), ApiKey(name, role, digest(key), expires)])
        return key

    def revoke(self, name_or_fingerprint: str) -> int:
        """Remove a holder's keys, or the one with a fingerprint; return how many were removed."""
        keys = self.read()
        kept = [key for key in keys if name_or_fingerprint not in (key.name, key.fingerprint)]
        if len(kept) < len(keys):
            self._write(kept)
        return len(keys) - len(kept)

    def _read_or_none(self) -> tuple[ApiKey, ...]:
        return self.read() if self.path.exists() else ()

    def _write(self, keys: list[ApiKey]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self.path, "\n".join([HEADING, *(key.line() for key in keys), ""]), FOR_THE_OWNER)
        except OSError as error:
            raise KeyFileError(f"FETALHEAD_API_KEYS_FILE {self.path} cannot be written: {error.strerror}.") from error

    def _parse(self, number: int, line: str) -> ApiKey:
        words = line.split()
        role = Role.find(words[1]) if len(words) in LINE_WORDS else None
        if role is None or not NAME.fullmatch(words[0]) or not SHA256.fullmatch(words[2]):
            expected = f"name, role ({', '.join(ROLE_WORDS)}), SHA-256 in hexadecimal and, optionally, a last day"
            raise KeyFileError(f"Line {number} of {self.path} is not a key: expected {expected}.")
        try:
            expires = date.fromisoformat(words[3]) if words[3:] else None
        except ValueError as error:
            raise KeyFileError(f"Line {number} of {self.path} does not end with a day such as 2027-12-31.") from error
        return ApiKey(words[0], role, words[2], expires)


class ApiKeys:
    """The keys that open the service, read again when the file changes.

    If the file can no longer be read (after a faulty edit, say), the keys stay as they were and `problem` says why; if
    it is deleted, no key is accepted.
    """

    def __init__(self, path: Path) -> None:
        self._file = KeyFile(path)
        self._seen: tuple[int, int, int] | None = None
        self._keys: dict[str, ApiKey] = {}
        self.problem: str | None = None

    def load(self) -> None:
        """Read the file; raise KeyFileError if it cannot be used."""
        seen = self._state()
        self._keys = {key.sha256: key for key in self._file.read()}
        self._seen, self.problem = seen, None

    @property
    def is_empty(self) -> bool:
        """Whether no key was read, so that nobody can have one."""
        return not self._keys

    def find(self, key: str) -> Principal | None:
        """Return the holder of a key, or None if no valid line has its hash."""
        self._refresh()
        found = self._keys.get(digest(key))
        return None if found is None or found.expired else Principal(found.name, found.role)

    def _refresh(self) -> None:
        seen = self._state()
        if seen == self._seen:
            return
        try:
            self.load()
        except KeyFileError as error:
            self._seen, self.problem = seen, str(error)
            if seen is None:
                self._keys = {}

    def _state(self) -> tuple[int, int, int] | None:
        try:
            found = self._file.path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
