"""The parts of a kind of problem."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem (RFC 9457): a stable code, its status, its meaning and its remedy."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str
