"""Segmentations under way: one inference at a time, for a bounded number of requests.

Decoding, inference and finishing (encoding, drawing, storing) each have one thread, so that the file of the next
request is decoded while the network works on the previous one; the event loop only waits.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from app.contract.report import Report
from app.contract.service import Problem
from app.inference.runtime.stop import Reason, Stop, Stopped
from app.inference.segmenter import HeadSegmenter, Segmentation
from app.measuring.measure import DecodedUpload, Identity, finish
from app.monitoring.metrics import Metrics
from app.problems.problem import ProblemError
from app.problems.translate import translate_error
from app.records.errors import DatabaseUnavailableError
from app.records.repository import Repository
from app.records.segmentation import NewSegmentation, StoredSegmentation
from app.service.places import Pace, Places

Result = TypeVar("Result")
STOPPING_S = 5.0
"""Time that interrupted work has to stop, at shutdown."""
DATABASE_PAUSES_S = (0.5, 1.0, 2.0, 4.0, 8.0)
log = logging.getLogger("fetalhead.jobs")


@dataclass(eq=False)
class Job:
    """A segmentation under way; `problem` says why it has no result."""

    id: str
    created_at: datetime
    stage: str | None = None
    stages_done: int = 0
    stop: Stop = field(default_factory=Stop)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    problem: Problem | None = None
    inference: Future[Segmentation] | None = None

    def enter(self, stage: str) -> None:
        """Note the stage that begins; raise Stopped if the job was asked to end."""
        self.stop.check()
        self.stages_done += self.stage is not None
        self.stage = stage


class Jobs:
    """The queue of segmentations, run in the order in which they came."""

    def __init__(self, repository: Repository, metrics: Metrics, most_held: int, timeout_s: float) -> None:
        """Hold so many requests at most, the one being measured included, each computed for so long at most."""
        self._repository = repository
        self._metrics = metrics
        self._timeout_s = timeout_s
        self._pace = Pace()
        self.places = Places(most_held, self._pace)
        self.repeating = asyncio.Semaphore(most_held)
        """For bodies that repeat an earlier request: they are read and compared, but not computed."""
        self._live: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._decoding = ThreadPoolExecutor(1, "decoding")
        self._inference = ThreadPoolExecutor(1, "inference")
        self._finishing = ThreadPoolExecutor(1, "finishing")
        self._interrupted = False

    async def decode(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`, done in the decoding thread."""
        return await asyncio.get_running_loop().run_in_executor(self._decoding, work)

    async def load(self, work: Callable[[], Result]) -> Result:
        """Return the result of `work`, done in the inference thread."""
        return await asyncio.get_running_loop().run_in_executor(self._inference, work)

    async def begin(
        self, new: NewSegmentation, decoded: DecodedUpload, segmenter: HeadSegmenter, place: ExitStack
    ) -> StoredSegmentation:
        """Store an accepted request and begin its segmentation, which keeps the place until it is done.

        Return the earlier one, and begin nothing, if its key belongs to one.
        """
        job = self._live[new.id] = Job(new.id, new.created_at)  # first: whoever finds the row must find the job too
        stored: StoredSegmentation | None = None
        try:
            stored = await asyncio.to_thread(self._repository.accept, new)
        finally:
            if stored is None or stored.id != new.id:
                self._forget(job)
        if stored.id == new.id:
            self._start(job, decoded, segmenter, place)
        return stored

    def find(self, segmentation_id: str) -> Job | None:
        """Return the segmentation with this id, if it is under way."""
        return self._live.get(segmentation_id)

    def end(self, segmentation_id: str, reason: Reason = "cancelled") -> None:
        """End a segmentation: a waiting one at once, one being computed as soon as it can be stopped."""
        job = self._live.get(segmentation_id)
        if job is None:
            return
        job.stop.ask(reason)
        if job.inference is not None and job.inference.cancel():
            self._metrics.queue_depth.dec()

    async def close(self, timeout_s: float) -> None:
        """Let the work under way finish, then end what is left; it is stored as failed, with the reason."""
        self.places.close()
        if self._tasks and not self._interrupted:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        self.interrupt()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOPPING_S)
        for executor in (self._decoding, self._inference, self._finishing):
            executor.shutdown(wait=False, cancel_futures=True)

    def interrupt(self) -> None:
        """End everything under way, as far as it can be stopped."""
        self._interrupted = True
        for segmentation_id in list(self._live):
            self.end(segmentation_id, "shutdown")

    def _start(self, job: Job, decoded: DecodedUpload, segmenter: HeadSegmenter, place: ExitStack) -> None:
        task = asyncio.create_task(self._run(job, decoded, segmenter))
        self._tasks.add(task)
        give_back = place.pop_all().close
        task.add_done_callback(lambda _: give_back())
        task.add_done_callback(lambda _: self._pause(segmenter))
        task.add_done_callback(self._tasks.discard)

    def _forget(self, job: Job) -> None:
        self._live.pop(job.id, None)
        job.done.set()

    async def _run(self, job: Job, decoded: DecodedUpload, segmenter: HeadSegmenter) -> None:
        loop = asyncio.get_running_loop()
        self._metrics.queue_depth.inc()
        job.inference = self._inference.submit(self._infer, job, decoded, segmenter, time.perf_counter())
        try:
            segmentation = await asyncio.wrap_future(job.inference)
            await loop.run_in_executor(self._finishing, self._finish, job, decoded, segmenter, segmentation)
        except (Stopped, asyncio.CancelledError):
            await loop.run_in_executor(self._finishing, self._store_end, job)
        except Exception as error:
            await loop.run_in_executor(self._finishing, self._fail, job, error)
        finally:
            self._forget(job)

    def _infer(self, job: Job, decoded: DecodedUpload, segmenter: HeadSegmenter, accepted: float) -> Segmentation:
        self._metrics.queue_depth.dec()
        self._metrics.queue_wait_seconds.observe(time.perf_counter() - accepted)
        job.stop.check()
        if not self._repository.start(job.id):
            raise Stopped("cancelled")
        timer = threading.Timer(self._timeout_s, job.stop.ask, ("timeout",))
        timer.start()
        try:
            with self._metrics.in_flight.track_inprogress(), self._pace.measure():
                volume, weeks = decoded.file.volume, decoded.fields.gestational_age_weeks
                return segmenter.segment(volume, weeks, on_stage=job.enter, stop=job.stop)
        finally:
            timer.cancel()

    def _finish(self, job: Job, decoded: DecodedUpload, segmenter: HeadSegmenter, segmentation: Segmentation) -> None:
        job.enter("encode")
        measurement = finish(decoded, segmenter, segmentation, Identity(job.id, job.created_at))
        if not _keep_trying(lambda: self._repository.complete(job.id, measurement)):
            raise Stopped("cancelled")
        self._observe(measurement.report, decoded)

    def _pause(self, segmenter: HeadSegmenter) -> None:
        """Return freed memory to the system, unless a request is waiting that this would delay."""
        if not self._live and not self.places.is_closed:
            self._inference.submit(segmenter.rest)

    def _store_end(self, job: Job) -> None:
        """Store why a job was ended."""
        reason = job.stop.reason or "cancelled"
        self._metrics.stopped.labels(reason).inc()
        log.info("segmentation ended", extra={"fields": {"segmentation": job.id, "reason": reason}})
        if reason == "timeout":
            limit = f"at most {self._timeout_s:g} s of computation"
            self._fail(job, ProblemError("computation_timeout", expected=limit))
        elif reason == "shutdown":
            self._fail(job, ProblemError("interrupted"))

    def _fail(self, job: Job, error: Exception) -> None:
        problem = translate_error(error)
        job.problem = stored = problem.problem
        self._metrics.failed.labels(problem.kind.code).inc()
        _keep_trying(lambda: self._repository.fail(job.id, stored))

    def _observe(self, report: Report, decoded: DecodedUpload) -> None:
        metrics = self._metrics
        metrics.segmentations.labels(report.verdict).inc()
        for flag in report.flags:
            metrics.flags.labels(flag.code).inc()
        if report.head_volume_ml is not None:
            metrics.head_volume.observe(report.head_volume_ml)
        if report.quality.context_agreement_dsc is not None:
            metrics.agreement.observe(report.quality.context_agreement_dsc)
        metrics.input_voxels.observe(decoded.file.volume.data.size)
        metrics.observe_stages(report.timings_s)
        fields = {"segmentation": report.id, "verdict": report.verdict, "seconds": report.timings_s["total"]}
        log.info("segmentation completed", extra={"fields": fields})


def _keep_trying(work: Callable[[], Result]) -> Result:
    """Return the result of work on the database, tried again for seconds: a finished measurement is worth a wait."""
    for pause_s in DATABASE_PAUSES_S:
        try:
            return work()
        except DatabaseUnavailableError:
            time.sleep(pause_s)
    return work()
