"""A process that is really killed, at each line of what stores and erases, loses nothing and leaves nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.contract.report import MASK
from app.records.opening import Records, open_records
from tests.app.records.examples import measurement, request, stored
from tests.app.records.killing import killed_at
from tests.helpers.reports import INTERRUPTED

pytestmark = pytest.mark.slow

STRIDE = {"sqlite": 2, "postgresql": 7}
"""Every so manieth line: the steps are the same on both, PostgreSQL takes longer to reach."""


def complete(records: Records, segmentation_id: str) -> None:
    records.repository.complete(segmentation_id, measurement())


def erase(records: Records, segmentation_id: str) -> None:
    records.housekeeping.erase_subject("S-1", "admin")


@pytest.mark.parametrize("work", [complete, erase], ids=["complete", "erase"])
def test_killed_at_every_step(work: Callable[[Records, str], None], database_url: str, tmp_path: Path) -> None:
    records = open_records(database_url, tmp_path)
    kept = stored(records.repository, subject="S-0")
    line, killed, deaths = 1, True, 0
    while killed:
        segmentation_id = started(records)
        if work is erase:
            complete(records, segmentation_id)
        killed = killed_at(line, work, records, segmentation_id)
        check(records, kept)
        deaths += killed
        line += STRIDE[records.engine.dialect.name]
    records.close()
    assert deaths > 5, "so few steps cannot be all"


def started(records: Records) -> str:
    new = request(subject="S-1")
    records.repository.accept(new)
    records.repository.start(new.id)
    return new.id


def check(records: Records, kept: str) -> None:
    """No measurement without its mask; after a repair no mask without its measurement; and an unbroken trail."""
    assert records.housekeeping.repair(at_work=True).incomplete == ()
    records.repository.recover(INTERRUPTED)
    found = records.housekeeping.repair()
    assert (found.orphaned, found.incomplete) == ((), ())
    stored_ids = records.artifacts.ids()
    assert {records.repository.find(name).status for name in stored_ids} == {"completed"}
    assert records.repository.read_artifact(kept, MASK) == b"mask"
    records.repository.verify_audit_trail()
