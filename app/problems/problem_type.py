"""What a kind of problem is made of."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ProblemType:
    """One kind of problem (RFC 9457): a stable code, its status, its meaning and how to mend it."""

    code: str
    status: int
    title: str
    meaning: str
    remedy: str
