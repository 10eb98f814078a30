"""What docs/adr/0008 says of OpenVINO: a level that has begun is computed to its end, and nothing after it."""

import threading
import time
from pathlib import Path

import pytest

from app.inference.model_store import ModelStore
from app.inference.segmenter import HeadSegmenter
from app.inference.session import RuntimeSettings
from app.inference.stop import Stop, Stopped
from tests.makers import sphere_volume
from tests.slow_model import publish_slow_model

STEPS = 12
SCHEDULING_S = 5.0
"""Generous: the machine may do much else at once."""


def test_what_is_stopped_goes_on_for_one_level_at_most(tmp_path: Path) -> None:
    publish_slow_model(tmp_path, STEPS)
    segmenter = HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), RuntimeSettings("openvino", 1))
    volume, stages = sphere_volume(), list[str]()
    level_s = segmenter.segment(volume).timings_s["context_level_1"]
    stop, asked = Stop(), list[float]()

    def ask() -> None:
        asked.append(time.perf_counter())
        stop.ask("timeout")

    def on_stage(stage: str) -> None:
        stages.append(stage)
        if stage == "context_level_1":
            threading.Timer(level_s / 10, ask).start()

    with pytest.raises(Stopped, match="timeout"):
        segmenter.segment(volume, on_stage=on_stage, stop=stop)
    goes_on_s = time.perf_counter() - asked[0]
    assert stages == ["preprocess", "context_level_1"]
    assert goes_on_s < 3 * level_s + SCHEDULING_S
