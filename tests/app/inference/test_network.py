from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.inference.memory import give_back, resident_bytes
from app.inference.network import Network
from app.inference.session import CPU, RuntimeSettings
from tests.app.inference.test_session import convolutional_network
from tests.makers import threshold_network

MEGABYTE = 1_000_000
SHAPE = (1, 1, 96, 64, 64)


def network(provider: str = "cpu") -> Network:
    settings = RuntimeSettings(provider="cpu" if provider == "cpu" else "auto", threads=1)
    return Network(convolutional_network(), ("volume",), "probability", settings)


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_closed_network_gives_its_working_memory_back(provider: str) -> None:
    tested = network(provider)
    volume = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    tested.run_held({"volume": volume})
    held, before = tested.working_bytes, resident_bytes()
    assert held > 20 * MEGABYTE
    tested.close()
    give_back()
    assert before - resident_bytes() > 0.8 * held
    assert tested.working_bytes == 0


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_network_that_was_closed_answers_as_before(provider: str) -> None:
    tested = network(provider)
    volume = np.random.default_rng(0).normal(size=(1, 1, 16, 16, 24)).astype(np.float32)
    before, ran_on = tested.run_held({"volume": volume}).numpy(), tested.provider
    tested.close()
    states = [tested.is_open]
    np.testing.assert_array_equal(tested.run_held({"volume": volume}).numpy(), before)
    assert [*states, tested.is_open] == [False, True]
    assert tested.provider == ran_on


def test_a_second_run_of_the_same_size_takes_no_more_memory() -> None:
    tested = network("auto")
    volume = np.zeros(SHAPE, np.float32)
    tested.run_held({"volume": volume})
    held = tested.working_bytes
    for _ in range(3):
        tested.run_held({"volume": volume})
    assert tested.working_bytes < 1.25 * held


def test_a_larger_run_is_expected_to_take_more_memory() -> None:
    tested = network()
    volume = np.zeros(SHAPE, np.float32)
    unknown = tested.expected_bytes({"volume": volume})
    tested.run_held({"volume": volume})
    held = tested.working_bytes
    tested.close()
    assert unknown == 0
    assert tested.expected_bytes({"volume": volume}) == pytest.approx(held)
    assert tested.expected_bytes({"volume": volume[:, :, :48]}) == pytest.approx(held / 2)


def test_it_is_opened_again_on_the_provider_that_ran_it() -> None:
    tested = Network(threshold_network(), ("volume",), "probability", RuntimeSettings(provider="cpu", threads=1))
    tested.close()
    assert tested.open().provider == tested.provider == CPU


def test_where_the_system_does_not_tell_nothing_is_known_to_be_held(tmp_path: Path) -> None:
    assert resident_bytes(tmp_path / "statm") == 0
    assert resident_bytes() > MEGABYTE


@pytest.mark.parametrize("provider", ["cpu", "auto"])
def test_a_level_takes_the_one_before_from_where_it_lies(provider: str) -> None:
    settings = RuntimeSettings(provider="cpu" if provider == "cpu" else "auto", threads=1)
    first = Network(threshold_network(1), ("volume",), "probability", settings)
    second = Network(threshold_network(2), ("volume", "context"), "probability", settings)
    volume = np.random.default_rng(0).uniform(0, 200, (1, 1, 16, 24, 8)).astype(np.float32)
    held = first.hold(volume)
    context = first.run_held({"volume": held})
    first.close()
    chained = second.run_held({"volume": held, "context": context}).numpy()
    apart = second.run_held({"volume": volume, "context": context.numpy()}).numpy()
    np.testing.assert_array_equal(chained, apart)
    assert context.nbytes == volume.nbytes
    assert np.ptp(chained) > 0
