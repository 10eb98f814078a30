"""Damaged files of every format are read or refused with a code, never anything else; MUTATIONS sets how many."""

from __future__ import annotations

import os

import numpy as np
import pytest

from app.imaging.errors import ImagingError
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.registry import decode_volume
from tests.helpers.samples import SAMPLES

MUTATIONS = int(os.environ.get("MUTATIONS", "100"))
LIMITS = DecodeLimits(max_bytes=1 << 22)
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


@pytest.mark.parametrize("name", SAMPLES)
def test_a_damaged_file_is_read_or_refused(name: str) -> None:
    whole = SAMPLES[name]()
    decode_volume(whole, LIMITS)
    random = np.random.default_rng(0)
    refused = [error for error in (refuse(mutate(whole, random)) for _ in range(MUTATIONS)) if error is not None]
    assert refused
    assert all(error.code and error.detail for error in refused)


def refuse(payload: bytes) -> ImagingError | None:
    try:
        decode_volume(payload, LIMITS)
    except ImagingError as error:
        return error
    return None


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
