"""Roles, and the callers that have them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Role(IntEnum):
    """What a caller may do; a higher role may do all that a lower one may.

    Readers see measurements and masks; operators measure, decide, and cancel or erase what is their own; admins change
    the served model and erase what is anybody's.
    """

    READER = 1
    OPERATOR = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """The role's name, as it is written in files and tokens."""
        return self.name.lower()

    @classmethod
    def find(cls, word: str) -> Role | None:
        """Return the role with a name, or None if there is none.

        >>> Role.find("operator").word
        'operator'
        """
        return next((role for role in cls if role.word == word), None)


ROLE_WORDS = tuple(role.word for role in Role)


@dataclass(frozen=True)
class Principal:
    """A caller; `name` is what the audit trail says of it."""

    name: str
    role: Role


ANONYMOUS = Principal("anonymous", Role.ADMIN)
"""Everybody, where authentication is off."""
