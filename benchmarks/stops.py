"""How long the paper's first level goes on after it was asked to stop, in seconds of the process's own time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np

from app.imaging.arrays import Float32
from app.imaging.volume import Index3
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.runtime.stop import Stop, Stopped
from benchmarks.measurement import Measurement
from benchmarks.paper import paper_model

SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8)
"""Of a whole run: when it is asked."""
GRID: Index3 = (160, 112, 176)
"""Of a volume of native size at the paper's 0.95 mm."""
WATCHING_S = 0.002


def stop_times(shape: Index3 = GRID, preset: str = "paper") -> Iterator[Measurement]:
    """Run it whole, end it at several moments, run it once more; one core, bf16 where the processor has it."""
    content = paper_model(preset).served[0].SerializeToString()
    session = OnnxSession(content, ("volume",), "probability", RuntimeSettings("auto", 1, "bf16"))
    volume = np.random.default_rng(0).normal(size=(1, 1, *shape)).astype(np.float32)
    kind = (1, shape, session.provider, session.precision)
    whole_s, expected = _whole(session, volume)
    yield Measurement("stop.level", round(whole_s, 3), "s", *kind)
    for share in SHARES:
        goes_on_s = _goes_on(session, volume, share * whole_s)
        yield Measurement(f"stop.goes_on_at_{share:.0%}", round(goes_on_s, 3), "s", *kind)
    again_s, answer = _whole(session, volume)
    yield Measurement("stop.level_afterwards", round(again_s, 3), "s", *kind)
    yield Measurement("stop.largest_difference_afterwards", float(np.abs(answer - expected).max()), "1", *kind)


def _whole(session: OnnxSession, volume: Float32) -> tuple[float, Float32]:
    began = time.process_time()
    answer = session.run({"volume": volume})
    return time.process_time() - began, answer


def _goes_on(session: OnnxSession, volume: Float32, after_s: float) -> float:
    """Seconds from the moment the run is asked to end, `after_s` after its beginning, to its end."""
    stop, asked_s, began = Stop(), list[float](), time.process_time()

    def ask() -> None:
        while time.process_time() - began < after_s:
            time.sleep(WATCHING_S)
        asked_s.append(time.process_time())
        stop.ask("cancelled")

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        session.run({"volume": volume}, stop)
    except Stopped:
        return time.process_time() - asked_s[0]
    finally:
        thread.join()
    raise RuntimeError(f"it ended before {after_s:.2f} s had passed")
