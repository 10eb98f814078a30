"""Reports and problems as they are stored."""

from datetime import UTC, datetime
from typing import Any

from app.contract.report import Report
from app.contract.service import Problem
from app.problems.problem import ProblemError

NOON = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
INTERRUPTED: Problem = ProblemError("interrupted").problem


def report(**changes: Any) -> Report:
    """Return a report of a good measurement, but for what is changed."""
    values: dict[str, Any] = {
        "id": "5d6b7a0e-0a6f-4b60-8f0c-8a3f1d2f1c11",
        "created_at": NOON,
        "verdict": "ok",
        "flags": [{"code": "truncated", "detail": "what was found", "remedy": "what to do about it"}],
        "head_volume_ml": 236.4,
        "head_volume_interval_ml": (220.0, 250.0),
        "quality": {"context_agreement_dsc": 0.98, "components": 1},
        "biometry": None,
        "model": {"name": "fetal_head", "version": 1, "sha256": ("c" * 64,)},
        "runtime": {"provider": "CPUExecutionProvider", "precision": "fp32"},
        "timings_s": {"total": 1.0},
        "input": {"sha256": "b" * 64, "shape": (64, 56, 60), "spacing_mm": (2.0, 2.0, 2.0)},
        "mask": "/segmentations/5d6b7a0e-0a6f-4b60-8f0c-8a3f1d2f1c11/mask",
        "preview": "/segmentations/5d6b7a0e-0a6f-4b60-8f0c-8a3f1d2f1c11/preview.png",
    }
    return Report.model_validate(values | changes)
