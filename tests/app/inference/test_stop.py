import threading
import time

import numpy as np
import pytest

from app.inference.session import OnnxSession, RuntimeSettings
from app.inference.stop import Stop, Stopped
from tests.slow_model import slow_network


def test_a_network_is_stopped_on_its_way_and_runs_again_later() -> None:
    session = OnnxSession(slow_network(60), ("volume",), "probability", RuntimeSettings("cpu", 1))
    tensors = {"volume": np.random.default_rng(1).random((1, 1, 32, 32, 32), np.float32)}
    whole_s = timed(lambda: session.run(tensors))
    stop = Stop()
    threading.Timer(whole_s / 10, stop.ask, ("timeout",)).start()

    def stopped() -> None:
        with pytest.raises(Stopped) as caught:
            session.run(tensors, stop)
        assert caught.value.reason == "timeout"

    assert timed(stopped) < whole_s / 2
    assert session.run(tensors, Stop()).shape == (1, 1, 32, 32, 32)


def test_what_was_stopped_before_does_not_begin() -> None:
    session = OnnxSession(slow_network(1), ("volume",), "probability", RuntimeSettings("cpu", 1))
    stop = Stop()
    stop.ask("cancelled")
    stop.ask("timeout")
    with pytest.raises(Stopped, match="cancelled"):
        session.run({"volume": np.ones((1, 1, 4, 4, 4), np.float32)}, stop)


def test_a_fault_of_the_network_is_not_taken_for_a_stop() -> None:
    session = OnnxSession(slow_network(1), ("volume",), "probability", RuntimeSettings("cpu", 1))
    with pytest.raises(Exception, match="volume"):
        session.run({"volume": np.ones((1, 4), np.float32)}, Stop())


def timed(work: object) -> float:
    began = time.perf_counter()
    assert callable(work)
    work()
    return time.perf_counter() - began
