"""Requests and measurements to store."""

import uuid
from typing import Any

from sqlalchemy import Engine, text

from app.contract.report import MASK, PREVIEW, Measurement
from app.contract.review import NewDecision
from app.records.opening import Records
from app.records.repository import Repository
from app.records.segmentation import NewSegmentation
from tests.helpers.reports import NOON, report


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
    file = {"sha256": input_sha256, "shape": (64, 56, 60), "spacing_mm": (2.0, 2.0, 2.0)}
    made = report(head_volume_ml=volume_ml, verdict=verdict, input=file)
    return Measurement(made, {MASK: b"mask", PREVIEW: b"picture"})


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
    records.reviews.decide(first, NewDecision(decision="edit", reason="rim"), "reader")
    return first
