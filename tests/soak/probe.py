"""Asks /health/live ten times a second, in a process of its own; prints the times in ms as JSON when told to end."""

from __future__ import annotations

import json
import sys
import time

import httpx

PAUSE_S = 0.1


def main() -> None:
    """`python -m tests.soak.probe URL SECONDS`."""
    url, until = sys.argv[1], time.monotonic() + float(sys.argv[2])
    times_ms: list[float] = []
    failures = 0
    with httpx.Client(base_url=url, timeout=30) as client:
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                failures += client.get("/health/live").status_code != httpx.codes.OK
            except httpx.HTTPError:
                failures += 1
            times_ms.append((time.perf_counter() - began) * 1000)
            time.sleep(PAUSE_S)
    print(json.dumps({"times_ms": times_ms, "failures": failures}))


if __name__ == "__main__":
    main()
