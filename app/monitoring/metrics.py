"""Every metric of the service, in one registry per application. `docs/metrics.md` describes each."""

from __future__ import annotations

import os
from collections.abc import Mapping
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
        self.registry = registry = CollectorRegistry()
        self._describe_requests(registry)
        self._describe_work(registry)
        self._describe_results(registry)
        self._describe_model(registry)
        self._describe_disk(registry)
        for reason in ALARMING:
            self.rejected.labels(reason)
            self.failed.labels(reason)
        for result in ("succeeded", "failed"):
            self.activations.labels(result)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)

    def _describe_requests(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "fetalhead_requests_total", "HTTP requests answered", ("route", "method", "status"), registry=registry
        )
        self.request_seconds = Histogram(
            "fetalhead_request_duration_seconds",
            "Time from a request's head to the end of its answer",
            ("route",),
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.rejected = Counter(
            "fetalhead_rejected_total", "Requests refused, by problem code", ("reason",), registry=registry
        )

    def _describe_work(self, registry: CollectorRegistry) -> None:
        self.stage_seconds = Histogram(
            "fetalhead_stage_duration_seconds",
            "Time of one stage of a segmentation; leave the stage total, the sum of all others, out of sums",
            ("stage",),
            buckets=STAGE_SECONDS,
            registry=registry,
        )
        self.queue_depth = Gauge("fetalhead_queue_depth", "Waiting segmentations", registry=registry)
        self.queue_wait_seconds = Histogram(
            "fetalhead_queue_wait_seconds",
            "Time a segmentation waited in the queue",
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self.stopped = Counter(
            "fetalhead_stopped_total",
            "Segmentations ended before their result, by reason",
            ("reason",),
            registry=registry,
        )
        self.failed = Counter(
            "fetalhead_failed_total",
            "Accepted segmentations that failed, by problem code",
            ("reason",),
            registry=registry,
        )
        self.loop_lag = Histogram(
            "fetalhead_event_loop_lag_seconds",
            "Delay of the event loop in resuming a sleeping task, measured ten times a second",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        self.in_flight = Gauge("fetalhead_in_flight", "Segmentations that are being computed", registry=registry)

    def _describe_results(self, registry: CollectorRegistry) -> None:
        self.segmentations = Counter(
            "fetalhead_segmentations_total", "Completed segmentations, by verdict", ("verdict",), registry=registry
        )
        self.flags = Counter("fetalhead_flags_total", "Flags raised, by code", ("code",), registry=registry)
        self.head_volume = Histogram(
            "fetalhead_head_volume_ml", "Measured head volume, mL", buckets=HEAD_ML, registry=registry
        )
        self.agreement = Histogram(
            "fetalhead_context_agreement_dsc",
            "Dice coefficient between the last two context levels",
            buckets=AGREEMENT,
            registry=registry,
        )
        self.input_voxels = Histogram(
            "fetalhead_input_voxels", "Voxels of an accepted volume", buckets=VOXELS, registry=registry
        )

    def _describe_model(self, registry: CollectorRegistry) -> None:
        self.model_info = Gauge(
            "fetalhead_model_info",
            "The model that is served; always 1",
            ("name", "version", "sha256", "provider", "precision"),
            registry=registry,
        )
        self.activations = Counter(
            "fetalhead_model_activations_total",
            "Exchanges of the served model, by result: succeeded or failed",
            ("result",),
            registry=registry,
        )
        self.model_ready = Gauge(
            "fetalhead_model_ready", "1 once the model passed its self-test, else 0", registry=registry
        )
        self.provider_fallback = Gauge(
            "fetalhead_provider_fallback",
            "1 where the provider or precision is not the one configured, or the one the runtime was built for, else 0",
            registry=registry,
        )

    def _describe_disk(self, registry: CollectorRegistry) -> None:
        self.data_free = Gauge(
            "fetalhead_data_free_bytes", "Free bytes of the disk that holds FETALHEAD_DATA_DIR", registry=registry
        )
        self.data_size = Gauge(
            "fetalhead_data_size_bytes", "Size of the disk that holds FETALHEAD_DATA_DIR", registry=registry
        )

    def watch_disk(self, folder: Path) -> None:
        """Report the free space and the size of a folder's disk whenever the metrics are read."""
        self.data_free.set_function(lambda: _free_bytes(os.statvfs(folder)))
        self.data_size.set_function(lambda: _size_bytes(os.statvfs(folder)))

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


def _free_bytes(disk: os.statvfs_result) -> int:
    return disk.f_bavail * disk.f_frsize  # the space that the service, which is not root, may still use


def _size_bytes(disk: os.statvfs_result) -> int:
    return disk.f_blocks * disk.f_frsize
