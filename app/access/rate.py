"""A limit of requests per caller: a bucket of tokens, filled steadily, from which each request takes one."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

SECONDS = 60.0
MOST_BUCKETS = 10_000


@dataclass
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """At most `per_minute` requests of one caller in a minute, on average and at once; 0 is no limit."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` gives seconds that never go back."""
        self._capacity = float(per_minute)
        self._per_second = per_minute / SECONDS
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def wait_s(self, caller: str) -> int:
        """0, and the request counts; or the whole seconds after which the caller may come again."""
        if not self._capacity:
            return 0
        now = self._clock()
        bucket = self._buckets.setdefault(caller, _Bucket(self._capacity, now))
        bucket.tokens = self._filled(bucket, now)
        bucket.at = now
        if bucket.tokens < 1:
            return math.ceil((1 - bucket.tokens) / self._per_second)
        bucket.tokens -= 1
        if len(self._buckets) > MOST_BUCKETS:
            self._forget_full(now)
        return 0

    def _filled(self, bucket: _Bucket, now: float) -> float:
        return min(self._capacity, bucket.tokens + (now - bucket.at) * self._per_second)

    def _forget_full(self, now: float) -> None:
        self._buckets = {
            name: bucket for name, bucket in self._buckets.items() if self._filled(bucket, now) < self._capacity
        }
