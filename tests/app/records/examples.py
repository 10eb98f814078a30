"""Requests and measurements to store."""

import uuid
from datetime import UTC, datetime
from typing import Any

from app.records.artifacts import MASK, PREVIEW
from app.records.repository import Repository
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


def measurement(volume_ml: float | None = 236.4, verdict: str = "ok") -> Measurement:
    report = {"head_volume_interval_ml": [220.0, 250.0], "flags": [{"code": "truncated"}]}
    return Measurement(verdict, volume_ml, report, {MASK: b"mask", PREVIEW: b"picture"})


def stored(repository: Repository, volume_ml: float | None = 236.4, verdict: str = "ok", **changes: Any) -> str:
    """Accepts, starts and completes one segmentation; gives its id."""
    new = request(**changes)
    repository.accept(new)
    assert repository.start(new.id)
    assert repository.complete(new.id, measurement(volume_ml, verdict))
    return new.id
