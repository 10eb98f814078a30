"""Whether the service still has its records to itself: a server of PostgreSQL forgets the lock with its connection."""

from __future__ import annotations

import asyncio
import logging

from app.problems.problem import ProblemError
from app.records.errors import InUseError, RecordsError
from app.records.lock import RecordsLock

PERIOD_S = 5.0
SHARED = "Another service uses the database; this one takes no volumes until that one has stopped."
log = logging.getLogger("fetalhead.records")


class Ownership:
    """The lock of the records, watched; while it is lost, the service is not ready and takes no volumes."""

    def __init__(self, lock: RecordsLock) -> None:
        self._lock = lock
        self._lost: RecordsError | None = None

    async def watch(self, period_s: float = PERIOD_S) -> None:
        """Look after the lock for as long as the service runs."""
        while True:
            await asyncio.sleep(period_s)
            await self._renew()

    async def require(self) -> None:
        """Raise the problem `database_unavailable` while the lock is lost and cannot be taken again."""
        if self._lost is not None:
            await self._renew()
        if self._lost is not None:
            raise ProblemError("database_unavailable", SHARED if isinstance(self._lost, InUseError) else None)

    async def _renew(self) -> None:
        before = self._lost
        try:
            await asyncio.to_thread(self._lock.renew)
            self._lost = None
        except RecordsError as error:
            self._lost = error
        if type(self._lost) is not type(before):
            self._tell()

    def _tell(self) -> None:
        if self._lost is None:
            log.warning("lock of the database taken again")
        else:
            used = isinstance(self._lost, InUseError)
            reason = "another service uses the database" if used else "the database does not answer"
            log.error("lock of the database lost: no volumes are taken", extra={"fields": {"reason": reason}})
