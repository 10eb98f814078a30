"""How long the tests of endurance run: moments in `make test`, minutes in `make test-soak`, hours where told so."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class SoakSize:
    """Read from SOAK_SECONDS (such as 90s, 30m or 2h), SOAK_KILLS and SOAK_MUTATIONS."""

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
        seconds=_seconds(os.environ.get("SOAK_SECONDS", "6s")),
        kills=int(os.environ.get("SOAK_KILLS", "3")),
        mutations=int(os.environ.get("SOAK_MUTATIONS", "120")),
    )


def _seconds(duration: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    number, unit = (duration[:-1], duration[-1:]) if duration[-1:] in units else (duration, "s")
    return float(number) * units[unit]
