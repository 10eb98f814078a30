"""What the service does by itself: order after a start, retention, and a watch on its event loop."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.contract.report import MASK
from app.monitoring.metrics import Metrics
from app.records.errors import FolderInUseError
from app.records.lock import FolderLock
from app.records.opening import open_records
from app.service.upkeep import watch_loop
from tests.app.records.examples import stored
from tests.helpers.service import Service, running_service, until


def test_a_loop_that_is_late_is_measured() -> None:
    metrics = Metrics()

    async def block() -> None:
        watch = asyncio.create_task(watch_loop(metrics))
        await asyncio.sleep(0.05)
        time.sleep(0.4)
        await asyncio.sleep(0.2)
        watch.cancel()

    asyncio.run(block())
    lag_s = metrics.registry.get_sample_value("fetalhead_event_loop_lag_seconds_sum")
    assert lag_s is not None
    assert lag_s > 0.25


class TestRetention:
    def test_what_is_too_old_is_gone_after_the_start(self, tmp_path: Path, model_store: Path) -> None:
        records = open_records(f"sqlite:///{tmp_path / 'fetalhead.sqlite'}", tmp_path)
        now = datetime.now(UTC)
        old, young = (stored(records.repository, created_at=now - timedelta(days=days)) for days in (40, 1))
        records.close()
        with running_service(tmp_path, model_store, retention_days=30) as service:
            until(lambda: service.client.get(f"/segmentations/{old}").status_code == 404)
            assert service.client.get(f"/segmentations/{young}").status_code == 200
            assert [path.parent.name for path in tmp_path.rglob(MASK)] == [young]


class TestStart:
    def test_files_of_a_measurement_that_was_never_committed_go(self, tmp_path: Path, model_store: Path) -> None:
        records = open_records(f"sqlite:///{tmp_path / 'fetalhead.sqlite'}", tmp_path)
        erased = stored(records.repository)
        records.repository.remove(erased)
        records.artifacts.write(erased, {MASK: b"left"})
        records.close()
        with running_service(tmp_path, model_store):
            assert list(tmp_path.rglob(MASK)) == []

    def test_a_second_service_keeps_out_of_the_folder(self, service: Service) -> None:
        with pytest.raises(FolderInUseError):
            FolderLock(service.data)
