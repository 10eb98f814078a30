"""How an upload enters the service, whoever brings it."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from app.contract.report import MASK
from app.contract.upload import Upload, VolumeFields
from app.imaging.errors import ImagingError
from app.main import create_app
from app.problems.problem import ProblemError
from app.records.errors import KeyReusedError
from app.records.segmentation import StoredSegmentation
from app.service.accepting import ReadUpload, Sender, accept
from app.service.state import ServiceState
from app.settings import Settings
from tests.helpers.makers import sphere_ml, sphere_volume, volume_bytes
from tests.helpers.repository import ROOT

VOLUME = volume_bytes(sphere_volume())
AGAIN = Sender("reader", "key")


@pytest.fixture
def run(tmp_path: Path, model_store: Path) -> Callable[[Callable[[ServiceState], Awaitable[None]]], None]:
    """Run a coroutine beside a whole service that nobody asks over HTTP."""
    settings = Settings(data_dir=tmp_path, model_store=model_store, provider="cpu", threads=1, queue_length=0)

    @asynccontextmanager
    async def opened() -> AsyncIterator[ServiceState]:
        app = create_app(settings)
        async with app.router.lifespan_context(app):
            service: ServiceState = app.state.service
            await service.jobs.load(service.model.load)
            yield service

    def run(scenario: Callable[[ServiceState], Awaitable[None]]) -> None:
        async def within() -> None:
            async with opened() as service:
                await scenario(service)

        asyncio.run(within())

    return run


def gives(payload: bytes = VOLUME, **fields: object) -> ReadUpload:
    async def read() -> Upload:
        return Upload(payload, VolumeFields.parse(**fields))

    return read


async def finished(service: ServiceState, stored: StoredSegmentation) -> StoredSegmentation:
    job = service.jobs.find(stored.id)
    if job is not None:
        await job.done.wait()
    while not service.jobs.places.is_empty:  # the place is given back a moment later
        await asyncio.sleep(0.01)
    return service.records.repository.find(stored.id)


Run = Callable[[Callable[[ServiceState], Awaitable[None]]], None]


def test_an_upload_is_measured_and_stored_with_its_fields(run: Run) -> None:
    async def scenario(service: ServiceState) -> None:
        accepted = await accept(service, Sender("reader"), gives(subject="S-1", gestational_age_weeks="26.4"))
        assert service.jobs.find(accepted.id) is not None
        report = (await finished(service, accepted)).report
        assert report is not None
        assert (report.id, report.created_at) == (accepted.id, accepted.created_at)
        assert (report.subject, report.gestational_age_weeks) == ("S-1", 26.4)
        assert report.head_volume_ml == pytest.approx(sphere_ml(), rel=0.01)
        assert service.records.repository.read_artifact(accepted.id, MASK)

    run(scenario)


def test_one_key_is_computed_once_at_once_and_later(run: Run) -> None:
    async def scenario(service: ServiceState) -> None:
        first = await accept(service, AGAIN, gives())
        await finished(service, first)
        again = await asyncio.gather(*(accept(service, AGAIN, gives()) for _ in range(3)))
        assert {stored.id for stored in again} == {first.id}
        other = await accept(service, Sender("somebody else", "key"), gives())
        assert other.id != first.id
        await finished(service, other)
        with pytest.raises(KeyReusedError):
            await accept(service, AGAIN, gives(subject="S-2"))
        assert service.jobs.places.is_empty

    run(scenario)


def test_a_body_is_read_once_there_is_a_place_for_it(run: Run) -> None:
    async def scenario(service: ServiceState) -> None:
        arrived = asyncio.Event()

        async def slow() -> Upload:
            await arrived.wait()
            return Upload(VOLUME)

        async def never() -> Upload:
            raise AssertionError("there is no place")

        waiting = asyncio.create_task(accept(service, Sender("reader"), slow))
        await asyncio.sleep(0)
        while service.jobs.places.is_empty:
            await asyncio.sleep(0.01)
        with pytest.raises(ProblemError, match="queue_full"):
            await accept(service, Sender("reader"), never)
        arrived.set()
        await finished(service, await waiting)
        service.jobs.places.close()
        with pytest.raises(ProblemError, match="stopping"):
            await accept(service, Sender("reader"), never)

    run(scenario)


def test_a_volume_that_is_refused_leaves_nothing_behind(run: Run) -> None:
    async def scenario(service: ServiceState) -> None:
        with pytest.raises(ImagingError):
            await accept(service, AGAIN, gives(VOLUME[:-1]))
        assert service.jobs.places.is_empty
        await finished(service, await accept(service, AGAIN, gives()))

    run(scenario)


def test_only_the_service_gives_places_and_begins_jobs() -> None:
    for path in (ROOT / "app" / "api").rglob("*.py"):
        assert not re.search(r"places\.take|jobs\.begin|repository\.accept", path.read_text(encoding="utf-8")), path
