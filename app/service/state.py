"""The state that all requests share: one per application, made by its lifespan."""

from __future__ import annotations

from dataclasses import dataclass

from app.monitoring.metrics import Metrics
from app.records.opening import Records
from app.service.jobs import Jobs
from app.service.ownership import Ownership
from app.service.served_model import ServedModel
from app.settings import Settings


@dataclass(frozen=True)
class ServiceState:
    """Everything needed to answer a request."""

    settings: Settings
    metrics: Metrics
    records: Records
    ownership: Ownership
    model: ServedModel
    jobs: Jobs
