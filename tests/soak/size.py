"""How long the tests of endurance run: moments in `make test`, minutes in `make test-soak`, hours where told so."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class SoakSize:
    """Read from SOAK_SECONDS, SOAK_KILLS and SOAK_MUTATIONS."""

    seconds: float
    kills: int
    mutations: int

    @property
    def is_long(self) -> bool:
        """Whether memory had time to show that it grows."""
        return self.seconds >= 100


def soak_size() -> SoakSize:
    """Return what the environment asks for."""
    return SoakSize(
        seconds=float(os.environ.get("SOAK_SECONDS", "6")),
        kills=int(os.environ.get("SOAK_KILLS", "3")),
        mutations=int(os.environ.get("SOAK_MUTATIONS", "120")),
    )
