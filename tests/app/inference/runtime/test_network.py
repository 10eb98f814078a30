from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.runtime.memory import give_back, resident_bytes
from app.inference.runtime.network import Network
from app.inference.runtime.session import RuntimeSettings
from app.inference.runtime.stop import Stop, Stopped
from tests.helpers.convolutional_network import convolutional_network
from tests.helpers.runtimes import providers
from tests.helpers.slow_model import slow_network

MEGABYTE = 1_000_000
SHAPE = (1, 1, 96, 64, 64)
KEPT_BY_THE_C_LIBRARY = 64 * MEGABYTE
"""At most: glibc does not trim the end of a thread's heap below this."""


def network(provider: Any = "cpu") -> Network:
    return Network(convolutional_network(), ("volume",), "probability", RuntimeSettings(provider, threads=1))


@pytest.mark.parametrize("provider", providers())
def test_a_network_gives_its_working_memory_back(provider: Any) -> None:
    tested = network(provider)
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    tested.run({"volume": volume})
    held, before = tested.working_bytes, resident_bytes()
    assert held > 20 * MEGABYTE
    tested.release()
    give_back()
    assert before - resident_bytes() > 0.8 * held
    assert tested.working_bytes == 0


@pytest.mark.parametrize("provider", providers())
def test_a_network_without_its_working_memory_answers_as_before(provider: Any) -> None:
    tested = network(provider)
    volume = np.random.default_rng(0).normal(size=(1, 1, 16, 16, 24)).astype(np.float32)
    before = tested.run({"volume": volume})
    tested.release()
    np.testing.assert_array_equal(tested.run({"volume": volume}), before)


@pytest.mark.parametrize("provider", providers())
def test_a_run_that_was_stopped_leaves_no_memory_taken(provider: Any) -> None:
    tested = Network(slow_network(60), ("volume",), "probability", RuntimeSettings(provider, threads=1))
    small, large = (np.zeros((1, 1, n, 96, 96), np.float32) for n in (8, 192))
    tested.run({"volume": small})
    tested.release()
    give_back()
    before, stop = resident_bytes(), Stop()
    threading.Timer(0.5, stop.ask, ("cancelled",)).start()
    with pytest.raises(Stopped):
        tested.run({"volume": large}, stop)
    give_back()
    assert tested.working_bytes == 0
    assert resident_bytes() - before < KEPT_BY_THE_C_LIBRARY + 10 * MEGABYTE


def test_a_second_run_of_the_same_size_takes_no_more_memory() -> None:
    tested = network("auto")
    volume = np.zeros(SHAPE, np.float32)
    tested.run({"volume": volume})
    held = tested.working_bytes
    for _ in range(3):
        tested.run({"volume": volume})
    assert tested.working_bytes < 1.25 * held


def test_a_larger_run_is_expected_to_take_more_memory() -> None:
    tested = network()
    volume = np.zeros(SHAPE, np.float32)
    unknown = tested.expected_bytes({"volume": volume})
    tested.run({"volume": volume})
    held = tested.working_bytes
    tested.release()
    assert unknown == 0
    assert tested.expected_bytes({"volume": volume}) == pytest.approx(held)
    assert tested.expected_bytes({"volume": volume[:, :, :48]}) == pytest.approx(held / 2)


def test_where_the_system_does_not_tell_nothing_is_known_to_be_held(tmp_path: Path) -> None:
    assert resident_bytes(tmp_path / "statm") == 0
    assert resident_bytes() > MEGABYTE
