"""Requests and measurements to store."""

import uuid
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from app.records.artifacts import MASK, PREVIEW
from app.records.opening import Records
from app.records.repository import Repository
from app.records.reviews import NewDecision
from app.records.segmentation import Measurement, NewSegmentation

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


def request(**changes: Any) -> NewSegmentation:
    values: dict[str, Any] = {
        "id": str(uuid.uuid4()),
        "created_at": NOON,
        "request_sha256": "a" * 64,
        "input_sha256": "b" * 64,
        "model_name": "fetal_head",
        "model_version": 1,
    }
    return NewSegmentation(**(values | changes))


def measurement(volume_ml: float | None = 236.4, verdict: str = "ok", input_sha256: str = "b" * 64) -> Measurement:
    report = {
        "head_volume_interval_ml": [220.0, 250.0],
        "flags": [{"code": "truncated"}],
        "input": {"sha256": input_sha256},
    }
    return Measurement(verdict, volume_ml, report, {MASK: b"mask", PREVIEW: b"picture"})


def stored(repository: Repository, volume_ml: float | None = 236.4, verdict: str = "ok", **changes: Any) -> str:
    """Accepts, starts and completes one segmentation, of a file of its own; gives its id."""
    new = request(**({"input_sha256": uuid.uuid4().hex * 2} | changes))
    repository.accept(new)
    assert repository.start(new.id)
    assert repository.complete(new.id, measurement(volume_ml, verdict, new.input_sha256))
    return new.id


def contents(engine: Engine) -> dict[str, list[tuple[object, ...]]]:
    """All rows of the tables that a backup holds, as text."""
    tables = ("segmentations", "edited_masks", "decisions")
    with engine.connect() as connection:
        return {
            table: [
                tuple(map(str, row)) for row in connection.execute(text(f"SELECT * FROM {table} ORDER BY sequence"))
            ]
            for table in tables
        }


def fill(records: Records) -> str:
    """Store three segmentations, an edited mask and a decision; give the id of the one decided on."""
    first = stored(records.repository, subject="S-1", gestational_age_weeks=26.3)
    stored(records.repository, volume_ml=None, verdict="reject")
    records.repository.accept(request())
    records.reviews.store_mask(first, b"edited", 240.0, "reader")
    records.reviews.decide(first, NewDecision("edit", "rim"), "reader")
    return first
