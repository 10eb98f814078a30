"""The application: `create_app(settings)` builds it, its lifespan opens and closes what it needs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from app.access.control import Access
from app.api.address import Addressed
from app.api.documentation import describe_only_own_answers, problems
from app.api.errors import install_handlers
from app.api.middleware import Headed, Observed
from app.api.routes import growth, health, models, pages, reviews, segment, segmentations, subjects, volumes
from app.api.security import Guarded
from app.monitoring.metrics import Metrics
from app.records.lock import RecordsLock
from app.records.opening import open_records
from app.service.jobs import Jobs
from app.service.ownership import Ownership
from app.service.served_model import ServedModel
from app.service.state import ServiceState
from app.service.upkeep import recover, retain, watch_loop
from app.settings import Settings

DESCRIPTION = """Segments the whole fetal head in 3D ultrasound volumes and measures its volume in mL.

**Research use only. Not a medical device.** The model was trained on simulated patients only.
Errors are `application/problem+json`; [/problems](/problems) explains each."""


def create_app(settings: Settings | None = None, lock: RecordsLock | None = None) -> FastAPI:
    """Build a new application; without `settings` they are read from the environment.

    The application takes the lock of its records when it starts, unless it is given; it releases it at its end.
    """
    settings = settings or Settings()
    app = FastAPI(
        title="fetalhead",
        version=version("fetalhead"),
        description=DESCRIPTION,
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[  # for /docs alone
            Security(HTTPBearer(auto_error=False, description="An API key, or a token.")),
            Security(APIKeyHeader(name="X-API-Key", auto_error=False, description="An API key.")),
        ],
    )
    app.state.settings = settings
    app.state.lock = lock
    app.state.metrics = Metrics()
    app.state.metrics.build_info.labels(app.version).set(1)
    app.state.access = Access(settings)
    app.add_middleware(Headed)
    app.add_middleware(Guarded, access=app.state.access, metrics_public=settings.metrics_public)
    app.add_middleware(Observed, metrics=app.state.metrics)
    app.add_middleware(Addressed, root_path=settings.root_path or "")
    install_handlers(app)
    refusals = ("unauthenticated", "forbidden", "rate_limited")  # the last one by the proxy (docker/nginx)
    for module in (segment, segmentations, reviews, volumes, subjects):
        app.include_router(module.router, responses=problems(*refusals, "database_unavailable"))
    for module in (growth, models, health, pages):
        app.include_router(module.router, responses=problems(*refusals))
    describe_only_own_answers(app)
    pages.mount_static(app)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    metrics: Metrics = app.state.metrics
    app.state.access.check()
    lock = app.state.lock or await asyncio.to_thread(RecordsLock, settings.database, settings.data_dir)
    records = await asyncio.to_thread(open_records, settings.database, settings.data_dir)
    metrics.watch_disk(settings.data_dir)
    metrics.watch_certificates({"service": settings.tls_certificate_file, "proxy": settings.proxy_certificate_file})
    await asyncio.to_thread(recover, records)
    jobs = Jobs(records.repository, metrics, settings.queue_length + 1, settings.segmentation_timeout_s)
    model = ServedModel(settings, metrics)
    ownership = Ownership(lock)
    app.state.service = ServiceState(settings, metrics, records, ownership, model, jobs)
    tasks = [
        asyncio.create_task(jobs.load(model.load)),
        asyncio.create_task(retain(records, settings.retention_days)),
        asyncio.create_task(watch_loop(metrics)),
        asyncio.create_task(ownership.watch()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await jobs.close(settings.shutdown_timeout_s)
        await asyncio.to_thread(records.close)
        await asyncio.to_thread(lock.close)
