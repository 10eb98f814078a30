"""The state that all requests share: one per application, made by its lifespan."""

from __future__ import annotations

from dataclasses import dataclass

from app.monitoring.metrics import Metrics
from app.records.housekeeping import Housekeeping
from app.records.measurements import Measurements
from app.records.opening import Records
from app.records.repository import Repository
from app.records.reviews import Reviews
from app.service.jobs import Jobs
from app.service.served_model import ServedModel
from app.settings import Settings


@dataclass(frozen=True)
class ServiceState:
    """Everything needed to answer a request."""

    settings: Settings
    metrics: Metrics
    records: Records
    model: ServedModel
    jobs: Jobs

    @property
    def repository(self) -> Repository:
        """Segmentations, one by one."""
        return self.records.repository

    @property
    def measurements(self) -> Measurements:
        """Completed measurements, as a table."""
        return self.records.measurements

    @property
    def reviews(self) -> Reviews:
        """Readers' decisions about them."""
        return self.records.reviews

    @property
    def housekeeping(self) -> Housekeeping:
        """Erasure."""
        return self.records.housekeeping
