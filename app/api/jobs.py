"""The work of the service: one inference at a time, a bounded number of requests held.

Decoding, inference and finishing (encoding, drawing, storing) each have one thread, so that the file of the next
request is decoded while the network works on the one before; the event loop only waits.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.api.errors import ProblemError, problem_of
from app.api.measurement import Order, Outcome, finish
from app.inference.segmenter import HeadSegmenter, Segmentation
from app.monitoring.metrics import Metrics
from app.records.repository import Repository

Result = TypeVar("Result")
log = logging.getLogger("fetalhead.jobs")


class JobCancelledError(Exception):
    """The segmentation was cancelled, or erased, before it was done."""


@dataclass(eq=False)
class Job:
    """One segmentation on its way; `problem` says why it has no result."""

    id: str
    stage: str | None = None
    stages_done: int = 0
    cancelled: threading.Event = field(default_factory=threading.Event)
    problem: Mapping[str, Any] | None = None
    task: asyncio.Task[None] | None = None

    def enter(self, stage: str) -> None:
        """Notes the stage that begins; ends the work of a cancelled job."""
        if self.cancelled.is_set():
            raise JobCancelledError
        self.stages_done += self.stage is not None
        self.stage = stage


class Jobs:
    """Runs segmentations, in the order in which they came."""

    def __init__(self, repository: Repository, metrics: Metrics, held: int) -> None:
        """`held` requests are taken at a time, waiting ones and the one being measured together."""
        self._repository = repository
        self._metrics = metrics
        self._held = held
        self._taken = 0
        self._live: dict[str, Job] = {}
        self._decoding = ThreadPoolExecutor(1, "decoding")
        self._inference = ThreadPoolExecutor(1, "inference")
        self._finishing = ThreadPoolExecutor(1, "finishing")

    @contextmanager
    def slot(self, retry_after_s: int) -> Iterator[Slot]:
        """A place for one request, from its first byte until its result is stored; or the problem `queue_full`."""
        if self._taken >= self._held:
            raise ProblemError(
                "queue_full", got=f"{self._taken} requests held", headers={"Retry-After": str(retry_after_s)}
            )
        self._taken += 1
        slot = Slot(self._release)
        try:
            yield slot
        finally:
            slot.leave()

    async def decode(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done in the thread for decoding."""
        return await asyncio.get_running_loop().run_in_executor(self._decoding, work)

    async def load(self, work: Callable[[], Result]) -> Result:
        """The result of `work`, done in the thread for inference."""
        return await asyncio.get_running_loop().run_in_executor(self._inference, work)

    def submit(self, order: Order, segmenter: HeadSegmenter, slot: Slot) -> Job:
        """Begins a segmentation; it keeps the slot until it is done."""
        job = Job(order.id)
        self._live[order.id] = job
        job.task = asyncio.create_task(self._run(job, order, segmenter))
        job.task.add_done_callback(slot.handed_over())
        return job

    def find(self, segmentation_id: str) -> Job | None:
        """The segmentation with this id, if it is on its way."""
        return self._live.get(segmentation_id)

    def cancel(self, segmentation_id: str) -> None:
        """Ends a segmentation before its next stage."""
        if job := self._live.get(segmentation_id):
            job.cancelled.set()

    async def close(self, timeout_s: float) -> None:
        """Lets the work under way finish, then cancels what is left."""
        tasks = [job.task for job in self._live.values() if job.task]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        for job in self._live.values():
            job.cancelled.set()
        for executor in (self._decoding, self._inference, self._finishing):
            executor.shutdown(wait=False, cancel_futures=True)

    def _release(self) -> None:
        self._taken -= 1

    async def _run(self, job: Job, order: Order, segmenter: HeadSegmenter) -> None:
        loop = asyncio.get_running_loop()
        self._metrics.queue_depth.inc()
        accepted = time.perf_counter()
        try:
            segmentation = await loop.run_in_executor(self._inference, self._infer, job, order, segmenter, accepted)
            await loop.run_in_executor(self._finishing, self._finish, job, order, segmenter, segmentation)
        except JobCancelledError:
            log.info("segmentation cancelled", extra={"fields": {"segmentation": order.id}})
        except Exception as error:
            await loop.run_in_executor(self._finishing, self._fail, job, error)
        finally:
            del self._live[order.id]

    def _infer(self, job: Job, order: Order, segmenter: HeadSegmenter, accepted: float) -> Segmentation:
        self._metrics.queue_depth.dec()
        self._metrics.queue_wait_seconds.observe(time.perf_counter() - accepted)
        if not self._repository.start(job.id):
            raise JobCancelledError
        with self._metrics.in_flight.track_inprogress():
            return segmenter.segment(order.file.volume, order.gestational_age_weeks, on_stage=job.enter)

    def _finish(self, job: Job, order: Order, segmenter: HeadSegmenter, segmentation: Segmentation) -> None:
        job.enter("encode")
        outcome = finish(order, segmenter, segmentation)
        if not self._repository.complete(job.id, outcome.measurement):
            raise JobCancelledError
        self._observe(outcome, order)

    def _fail(self, job: Job, error: Exception) -> None:
        job.problem = problem_of(error).body
        self._repository.fail(job.id, job.problem)

    def _observe(self, outcome: Outcome, order: Order) -> None:
        report, metrics = outcome.report, self._metrics
        metrics.segmentations.labels(report.verdict).inc()
        for flag in report.flags:
            metrics.flags.labels(flag.code).inc()
        if report.head_volume_ml is not None:
            metrics.head_volume.observe(report.head_volume_ml)
        if report.quality.context_agreement_dsc is not None:
            metrics.agreement.observe(report.quality.context_agreement_dsc)
        metrics.input_voxels.observe(order.file.volume.data.size)
        metrics.observe_stages(report.timings_s)
        fields = {"segmentation": report.id, "verdict": report.verdict, "seconds": report.timings_s["total"]}
        log.info("segmentation completed", extra={"fields": fields})


class Slot:
    """One of the places that requests are held in; given back once, by whoever has it last."""

    def __init__(self, release: Callable[[], None]) -> None:
        self._release = release
        self._held_by_request = True

    def leave(self) -> None:
        """Gives the place back, unless a job has taken it over."""
        if self._held_by_request:
            self._held_by_request = False
            self._release()

    def handed_over(self) -> Callable[[object], None]:
        """Keeps the place beyond the request; gives the function that returns it."""
        self._held_by_request = False
        return lambda _: self._release()
