"""Every metric of the service, in one registry per application. `docs/metrics.md` describes each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.exposition import choose_encoder

from app.monitoring.certificates import find_end

REQUEST_SECONDS = (0.005, 0.02, 0.1, 0.5, 1, 2, 5, 10, 20, 40, 80, 160, 320, 640)
STAGE_SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)
HEAD_ML = (40, 60, 80, 100, 130, 160, 200, 240, 280, 320, 360, 400, 450, 500, 600, 700)
AGREEMENT = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 1.0)
ALARMING = ("queue_full", "storage_unavailable", "database_unavailable", "out_of_memory")
"""Problem codes with an alert; they count from 0, since Prometheus sees no increase in a series that begins with 1."""
LAG_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)
VOXELS = (1e5, 3e5, 1e6, 3e6, 1e7, 3e7, 1e8, 2e8)


class Metrics:
    """The service's metrics. Labels are few and never hold what a client sent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._add_requests()
        self._add_work()
        self._add_results()
        self._add_model_and_disk()
        for reason in ALARMING:
            self.rejected.labels(reason)
            self.failed.labels(reason)
        for result in ("succeeded", "failed"):
            self.activations.labels(result)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def _count(self, name: str, description: str, *labels: str) -> Counter:
        return Counter(f"fetalhead_{name}", description, labels, registry=self.registry)

    def _gauge(self, name: str, description: str, *labels: str) -> Gauge:
        return Gauge(f"fetalhead_{name}", description, labels, registry=self.registry)

    def _histogram(self, name: str, description: str, buckets: Sequence[float], *labels: str) -> Histogram:
        return Histogram(f"fetalhead_{name}", description, labels, buckets=buckets, registry=self.registry)

    def _add_requests(self) -> None:
        self.requests = self._count("requests_total", "HTTP requests answered", "route", "method", "status")
        text = "Time from a request's head to the end of its answer"
        self.request_seconds = self._histogram("request_duration_seconds", text, REQUEST_SECONDS, "route")
        self.rejected = self._count("rejected_total", "Requests refused, by problem code", "reason")
        text = "Delay of the event loop in resuming a sleeping task, measured ten times a second"
        self.loop_lag = self._histogram("event_loop_lag_seconds", text, LAG_SECONDS)

    def _add_work(self) -> None:
        text = "Time of one stage of a segmentation; leave the stage total, the sum of all others, out of sums"
        self.stage_seconds = self._histogram("stage_duration_seconds", text, STAGE_SECONDS, "stage")
        self.queue_depth = self._gauge("queue_depth", "Waiting segmentations")
        text = "Time a segmentation waited in the queue"
        self.queue_wait_seconds = self._histogram("queue_wait_seconds", text, REQUEST_SECONDS)
        self.stopped = self._count("stopped_total", "Segmentations ended before their result, by reason", "reason")
        self.failed = self._count("failed_total", "Accepted segmentations that failed, by problem code", "reason")
        self.in_flight = self._gauge("in_flight", "Segmentations that are being computed")

    def _add_results(self) -> None:
        self.segmentations = self._count("segmentations_total", "Completed segmentations, by verdict", "verdict")
        self.flags = self._count("flags_total", "Flags raised, by code", "code")
        self.head_volume = self._histogram("head_volume_ml", "Measured head volume, mL", HEAD_ML)
        text = "Dice coefficient between the last two context levels"
        self.agreement = self._histogram("context_agreement_dsc", text, AGREEMENT)
        self.input_voxels = self._histogram("input_voxels", "Voxels of an accepted volume", VOXELS)

    def _add_model_and_disk(self) -> None:
        labels = ("name", "version", "sha256", "provider", "precision")
        self.model_info = self._gauge("model_info", "The model that is served; always 1", *labels)
        text = "Exchanges of the served model, by result: succeeded or failed"
        self.activations = self._count("model_activations_total", text, "result")
        self.model_ready = self._gauge("model_ready", "1 once the model passed its self-test, else 0")
        text = (
            "1 where the provider or precision is not the one configured, or the one the runtime was built for, else 0"
        )
        self.provider_fallback = self._gauge("provider_fallback", text)
        self.data_free = self._gauge("data_free_bytes", "Free bytes of the disk that holds FETALHEAD_DATA_DIR")
        self.build_info = self._gauge("build_info", "The version of fetalhead that runs; always 1", "version")
        text = "Unix time at which a TLS certificate ends, of the service or of its proxy; 0 if it cannot be read"
        self.certificate_end = self._gauge("certificate_expiry_timestamp_seconds", text, "of")
        self.data_size = self._gauge("data_size_bytes", "Size of the disk that holds FETALHEAD_DATA_DIR")

    def watch_disk(self, folder: Path) -> None:
        """Report the free space and the size of a folder's disk whenever the metrics are read."""
        # Free is what the service, which is not root, may still use.
        self.data_free.set_function(lambda: os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize)
        self.data_size.set_function(lambda: os.statvfs(folder).f_blocks * os.statvfs(folder).f_frsize)

    def watch_certificates(self, files: Mapping[str, Path | None]) -> None:
        """Report whenever the metrics are read when each certificate ends; the keys say whose it is."""
        for owner, file in files.items():
            if file is not None:
                self.certificate_end.labels(owner).set_function(partial(find_end, file))

    def observe_stages(self, timings_s: Mapping[str, float]) -> None:
        """Record the time of each stage, in seconds."""
        for stage, seconds in timings_s.items():
            self.stage_seconds.labels(stage).observe(seconds)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Return all metrics and their media type: what `accept` asks for of Prometheus' formats, or its text 0.0.4."""
        write, media_type = choose_encoder(accept)
        return write(self.registry), media_type

    def names(self) -> list[str]:
        """Return the names of the service's own metrics as they are exposed."""
        families = {family.name: family.type for family in self.registry.collect()}
        own = (name for name in families if name.startswith("fetalhead_"))
        return sorted(f"{name}_total" if families[name] == "counter" else name for name in own)
