"""Damage to files, of the kinds that find faults in readers of headers."""

from __future__ import annotations

import numpy as np

SNIPPETS = (
    b"",
    b"\0" * 8,
    b"\xff" * 8,
    b"0",
    b"-1",
    b"9" * 30,
    b"nan",
    b"\n\n",
    b" ",
    b"LOCAL\n",
    b"(,,)",
    b"\x1f\x8b",
)


def mutate(whole: bytes, random: np.random.Generator) -> bytes:
    """Change a few bytes near the beginning, where headers are, or anywhere; cut, repeat or insert something."""
    payload = bytearray(whole)
    for _ in range(random.integers(1, 5)):
        reach = len(payload) if random.random() < 0.2 else min(len(payload), 3000)
        at = int(random.integers(0, max(reach, 1)))
        kind = random.integers(0, 4)
        if kind == 0 and at < len(payload):
            payload[at] = int(random.integers(0, 256))
        elif kind == 1:
            payload[at : at + int(random.integers(0, 12))] = SNIPPETS[int(random.integers(0, len(SNIPPETS)))]
        elif kind == 2:
            piece = payload[at : at + int(random.integers(1, 64))]
            payload[at:at] = piece
        elif random.random() < 0.3:
            del payload[at:]
    return bytes(payload)
