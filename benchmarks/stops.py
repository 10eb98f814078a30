"""The delay of the paper's first level after it was cancelled, in seconds of the process's own time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np

from app.imaging.arrays import Float32
from app.imaging.volume import Index3
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.runtime.stop import Stop, Stopped
from benchmarks.measurement import BenchmarkValue
from benchmarks.paper import make_paper_model

SHARES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8)
"""The moments of the cancellation, as shares of a whole run."""
GRID: Index3 = (160, 112, 176)
"""The grid of a volume of native size at the paper's 0.95 mm."""
WATCHING_S = 0.002


def measure_stops(shape: Index3 = GRID, preset: str = "paper") -> Iterator[BenchmarkValue]:
    """Run the level, cancel it at several moments, run it once more; one core, bf16 where the processor has it."""
    content = make_paper_model(preset).served[0].SerializeToString()
    session = OnnxSession(content, ("volume",), "probability", RuntimeSettings("auto", 1, "bf16"))
    volume = np.random.default_rng(0).normal(size=(1, 1, *shape)).astype(np.float32)
    kind = (1, shape, session.provider, session.precision)
    whole_s, expected = _run_whole(session, volume)
    yield BenchmarkValue("stop.level", round(whole_s, 3), "s", *kind)
    for share in SHARES:
        goes_on_s = _measure_delay(session, volume, share * whole_s)
        yield BenchmarkValue(f"stop.goes_on_at_{share:.0%}", round(goes_on_s, 3), "s", *kind)
    again_s, answer = _run_whole(session, volume)
    yield BenchmarkValue("stop.level_afterwards", round(again_s, 3), "s", *kind)
    yield BenchmarkValue("stop.largest_difference_afterwards", float(np.abs(answer - expected).max()), "1", *kind)


def _run_whole(session: OnnxSession, volume: Float32) -> tuple[float, Float32]:
    began = time.process_time()
    answer = session.run({"volume": volume})
    return time.process_time() - began, answer


def _measure_delay(session: OnnxSession, volume: Float32, after_s: float) -> float:
    """Return the seconds from the cancellation, `after_s` after the beginning of the run, to its end."""
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
    raise RuntimeError(f"the run ended before {after_s:.2f} s had passed")
