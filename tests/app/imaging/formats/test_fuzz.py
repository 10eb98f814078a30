"""Damaged files of every format are read or refused with a code, never anything else; MUTATIONS sets how many."""

from __future__ import annotations

import os

import numpy as np
import pytest

from app.imaging.errors import ImagingError
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.registry import decode_volume
from tests.helpers.damage import mutate
from tests.helpers.samples import SAMPLES

MUTATIONS = int(os.environ.get("MUTATIONS", "100"))
LIMITS = DecodeLimits(max_bytes=1 << 22)


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
