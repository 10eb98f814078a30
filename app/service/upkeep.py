"""The service's own upkeep: recovery after a start, then retention."""

from __future__ import annotations

import asyncio
import logging

from app.monitoring.logs import describe_exception
from app.monitoring.metrics import Metrics
from app.problems.problem import ProblemError
from app.records.errors import RecordsError
from app.records.opening import Records

PERIOD_S = 3600.0
BEAT_S = 0.1
log = logging.getLogger("fetalhead.upkeep")


def recover(records: Records) -> None:
    """Mark segmentations that an earlier process left unfinished as failed; remove its half-written files."""
    interrupted = records.repository.recover(ProblemError("interrupted").problem)
    found = records.housekeeping.repair()
    records.anchor.sweep()
    fields = {"interrupted": interrupted, "half_written": found.half_written, "removed": found.removed}
    log.info("records opened", extra={"fields": fields})
    if found.orphaned or found.incomplete:
        fields = {"orphaned": len(found.orphaned), "incomplete": len(found.incomplete)}
        log.error("records need attention: fetalhead records repair lists them", extra={"fields": fields})


async def retain(records: Records, days: int, period_s: float = PERIOD_S) -> None:
    """Erase measurements older than this many days, now and every hour; 0 keeps everything."""
    while days:
        try:
            erased = await asyncio.to_thread(records.housekeeping.purge, days)
            log.info("retention", extra={"fields": {"erased": len(erased)}})
        except (RecordsError, OSError) as error:
            log.error("retention failed", extra={"fields": describe_exception(error)})
        await asyncio.sleep(period_s)


async def watch_loop(metrics: Metrics) -> None:
    """Measure how late the event loop is, which is how late every answer is."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        metrics.loop_lag.observe(max(0.0, loop.time() - due))
