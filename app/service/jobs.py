"""The work of the service: one inference at a time, a bounded number of requests held.

Decoding, inference and finishing (encoding, drawing, storing) each have one thread, so that the file of the next
request is decoded while the network works on the one before; the event loop only waits.
"""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from app.inference.runtime.stop import Reason, Stop, Stopped
from app.inference.segmenter import HeadSegmenter, Segmentation
from app.measuring.measure import Order, Outcome, finish
from app.monitoring.metrics import Metrics
from app.problems.problem import RETRY_AFTER_S, ProblemError
from app.problems.translate import translate_error
from app.records.errors import DatabaseUnavailableError
from app.records.repository import Repository
from app.service.pace import Pace

Result = TypeVar("Result")
STOPPING_S = 5.0
"""Time that ended work gets to notice, at shutdown."""
DATABASE_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
log = logging.getLogger("fetalhead.jobs")


@dataclass(eq=False)
class Job:
    """One segmentation on its way; `problem` says why it has no result."""

    id: str
    stage: str | None = None
    stages_done: int = 0
    stop: Stop = field(default_factory=Stop)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    problem: Mapping[str, Any] | None = None
    inference: Future[Segmentation] | None = None

    def enter(self, stage: str) -> None:
        """Notes the stage that begins; ends the work of a job that shall not go on."""
        self.stop.check()
        self.stages_done += self.stage is not None
        self.stage = stage


@dataclass(frozen=True)
class Limits:
    """How many requests are held, and for how long one may be computed."""

    held: int
    """Waiting ones and the one being measured together."""
    computation_s: float


class Jobs:
    """Runs segmentations, in the order in which they came."""

    def __init__(self, repository: Repository, metrics: Metrics, limits: Limits) -> None:
        self._repository = repository
        self._metrics = metrics
        self._limits = limits
        self._pace = Pace()
        self._taken = 0
        self._live: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._decoding = ThreadPoolExecutor(1, "decoding")
        self._inference = ThreadPoolExecutor(1, "inference")
        self._finishing = ThreadPoolExecutor(1, "finishing")
        self._closing = False
        self._interrupted = False
        self.repeating = asyncio.Semaphore(limits.held)
        """Places for bodies that repeat an earlier request: read, compared, and not computed."""

    def require_open(self) -> None:
        """The problem `stopping` from `refuse_new` on."""
        if self._closing:
            raise ProblemError("stopping", headers={"Retry-After": str(RETRY_AFTER_S)})

    def refuse_new(self) -> None:
        """Gives no more places; what has one goes on."""
        self._closing = True

    @property
    def is_idle(self) -> bool:
        """Whether no request has a place."""
        return self._taken == 0

    @contextmanager
    def slot(self) -> Iterator[Slot]:
        """A place for one request, from its first byte until its result is stored.

        Raises:
            ProblemError: `queue_full` or `stopping`.
        """
        self.require_open()
        if self._taken >= self._limits.held:
            wait_s = max(RETRY_AFTER_S, math.ceil(self._pace.rest_s()))
            headers = {"Retry-After": str(wait_s)}
            raise ProblemError("queue_full", got=f"{self._taken} requests held", headers=headers)
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

    def expect(self, segmentation_id: str) -> Job:
        """A job that will be submitted or forgotten; until then, others can find it and wait for it."""
        job = self._live[segmentation_id] = Job(segmentation_id)
        return job

    def forget(self, job: Job) -> None:
        """Takes back an expected job that is not needed."""
        self._live.pop(job.id, None)
        job.done.set()

    def submit(self, job: Job, order: Order, segmenter: HeadSegmenter, slot: Slot) -> None:
        """Begins a segmentation; it keeps the slot until it is done."""
        task = asyncio.create_task(self._run(job, order, segmenter))
        self._tasks.add(task)
        task.add_done_callback(slot.handed_over())
        task.add_done_callback(lambda _: self._pause(segmenter))
        task.add_done_callback(self._tasks.discard)

    def find(self, segmentation_id: str) -> Job | None:
        """The segmentation with this id, if it is on its way."""
        return self._live.get(segmentation_id)

    def end(self, segmentation_id: str, reason: Reason = "cancelled") -> None:
        """Ends a segmentation: a waiting one at once, one that is being computed as soon as that can be stopped."""
        job = self._live.get(segmentation_id)
        if job is None:
            return
        job.stop.ask(reason)
        if job.inference is not None and job.inference.cancel():
            self._metrics.queue_depth.dec()

    async def close(self, timeout_s: float) -> None:
        """Lets the work under way finish, then ends what is left: it will have failed, and says why."""
        self.refuse_new()
        if self._tasks and not self._interrupted:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        self.interrupt()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOPPING_S)
        for executor in (self._decoding, self._inference, self._finishing):
            executor.shutdown(wait=False, cancel_futures=True)

    def interrupt(self) -> None:
        """Ends everything under way, as far as it can be stopped."""
        self._interrupted = True
        for segmentation_id in list(self._live):
            self.end(segmentation_id, "shutdown")

    def _release(self) -> None:
        self._taken -= 1

    async def _run(self, job: Job, order: Order, segmenter: HeadSegmenter) -> None:
        loop = asyncio.get_running_loop()
        self._metrics.queue_depth.inc()
        job.inference = self._inference.submit(self._infer, job, order, segmenter, time.perf_counter())
        try:
            segmentation = await asyncio.wrap_future(job.inference)
            await loop.run_in_executor(self._finishing, self._finish, job, order, segmenter, segmentation)
        except (Stopped, asyncio.CancelledError):
            await loop.run_in_executor(self._finishing, self._ended, job)
        except Exception as error:
            await loop.run_in_executor(self._finishing, self._fail, job, error)
        finally:
            self.forget(job)

    def _infer(self, job: Job, order: Order, segmenter: HeadSegmenter, accepted: float) -> Segmentation:
        self._metrics.queue_depth.dec()
        self._metrics.queue_wait_seconds.observe(time.perf_counter() - accepted)
        job.stop.check()
        if not self._repository.start(job.id):
            raise Stopped("cancelled")
        timer = threading.Timer(self._limits.computation_s, job.stop.ask, ("timeout",))
        timer.start()
        try:
            with self._metrics.in_flight.track_inprogress(), self._pace.measured():
                volume, weeks = order.file.volume, order.gestational_age_weeks
                return segmenter.segment(volume, weeks, on_stage=job.enter, stop=job.stop)
        finally:
            timer.cancel()

    def _finish(self, job: Job, order: Order, segmenter: HeadSegmenter, segmentation: Segmentation) -> None:
        job.enter("encode")
        outcome = finish(order, segmenter, segmentation)
        if not _patiently(lambda: self._repository.complete(job.id, outcome.measurement)):
            raise Stopped("cancelled")
        self._observe(outcome, order)

    def _pause(self, segmenter: HeadSegmenter) -> None:
        """Has freed memory given back, where no request is waiting that would be delayed by it."""
        if not self._live and not self._closing:
            self._inference.submit(segmenter.rest)

    def _ended(self, job: Job) -> None:
        """Notes what a job that was ended has come to."""
        reason = job.stop.reason or "cancelled"
        self._metrics.stopped.labels(reason).inc()
        log.info("segmentation ended", extra={"fields": {"segmentation": job.id, "reason": reason}})
        if reason == "timeout":
            limit = f"at most {self._limits.computation_s:g} s of computation"
            self._fail(job, ProblemError("computation_timeout", expected=limit))
        elif reason == "shutdown":
            self._fail(job, ProblemError("interrupted"))

    def _fail(self, job: Job, error: Exception) -> None:
        problem = translate_error(error)
        job.problem = body = problem.body
        self._metrics.failed.labels(problem.kind.code).inc()
        _patiently(lambda: self._repository.fail(job.id, body))

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


def _patiently(work: Callable[[], Result]) -> Result:
    """The result of work on the database, which may be away for seconds: a finished measurement is worth a wait."""
    for pause_s in DATABASE_PAUSES_S:
        try:
            return work()
        except DatabaseUnavailableError:
            time.sleep(pause_s)
    return work()


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
