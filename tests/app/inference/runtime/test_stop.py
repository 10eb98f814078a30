import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.model_store import ModelStore
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.runtime.stop import Stop, Stopped
from app.inference.segmenter import HeadSegmenter
from tests.helpers.makers import sphere_volume
from tests.helpers.runtimes import providers
from tests.helpers.slow_model import publish_slow_model, slow_network

pytestmark = pytest.mark.slow

CHAIN = 60
on_each_provider = pytest.mark.parametrize("provider", providers())


def session(provider: Any, steps: int = 1) -> OnnxSession:
    return OnnxSession(slow_network(steps), ("volume",), "probability", RuntimeSettings(provider, 1))


@on_each_provider
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_network_is_stopped_on_its_way_and_runs_again_later(provider: Any, share: float) -> None:
    """A node is a sixtieth of the run: what was asked for must end it long before its end."""
    tested = session(provider, CHAIN)
    tensors = {"volume": np.random.default_rng(1).random((1, 1, 48, 48, 48), np.float32)}
    before = tested.run(tensors)
    whole_s = min(computed(lambda: tested.run(tensors)) for _ in range(2))
    stop = Stop()
    with asked_after(share * whole_s, stop) as asked, pytest.raises(Stopped) as caught:
        tested.run(tensors, stop)
    goes_on_s = time.process_time() - asked[0]
    assert caught.value.reason == "timeout"
    assert goes_on_s < whole_s / 4
    np.testing.assert_array_equal(tested.run(tensors, Stop()), before)


@on_each_provider
def test_what_is_asked_for_between_check_and_start_is_not_lost(provider: Any) -> None:
    """However the two threads meet, the run ends: a stop at every moment of a short run."""
    tested = session(provider, CHAIN)
    tensors = {"volume": np.ones((1, 1, 48, 48, 48), np.float32)}
    whole_s = min(computed(lambda: tested.run(tensors)) for _ in range(2))
    for delay_us in range(0, 1000, 50):
        stop = Stop()
        threading.Timer(delay_us / 1e6, stop.ask, ("cancelled",)).start()
        began = time.process_time()
        with pytest.raises(Stopped):
            tested.run(tensors, stop)
        assert time.process_time() - began < whole_s


@on_each_provider
def test_what_was_stopped_before_does_not_begin(provider: Any) -> None:
    stop = Stop()
    stop.ask("cancelled")
    stop.ask("timeout")
    with pytest.raises(Stopped, match="cancelled"):
        session(provider).run({"volume": np.ones((1, 1, 4, 4, 4), np.float32)}, stop)


@on_each_provider
@pytest.mark.parametrize("shape", [(1, 4), (1, 2, 4, 4, 4)])
def test_a_fault_of_the_network_is_not_taken_for_a_stop(provider: Any, shape: tuple[int, ...]) -> None:
    with pytest.raises(Exception, match=r"volume|input tensor") as caught:
        session(provider).run({"volume": np.ones(shape, np.float32)}, Stop())
    assert not isinstance(caught.value, Stopped)


@on_each_provider
def test_a_segmentation_ends_within_its_level_and_the_next_one_is_right(provider: Any, tmp_path: Path) -> None:
    publish_slow_model(tmp_path, CHAIN)
    segmenter = HeadSegmenter(ModelStore(tmp_path).resolve("fetal_head"), RuntimeSettings(provider, 1))
    volume, stages, began = sphere_volume(), list[str](), dict[str, float]()

    def on_stage(stage: str) -> None:
        stages.append(stage)
        began[stage] = time.process_time()

    before = segmenter.segment(volume, on_stage=on_stage)
    level_s = began["context_level_2"] - began["context_level_1"]
    stages.clear()
    stop = Stop()
    whole_s = began["context_level_1"] - began["preprocess"] + level_s / 5
    with asked_after(whole_s, stop) as asked, pytest.raises(Stopped, match="timeout"):
        segmenter.segment(volume, on_stage=on_stage, stop=stop)
    assert time.process_time() - asked[0] < level_s / 3
    assert stages == ["preprocess", "context_level_1"]
    np.testing.assert_array_equal(segmenter.segment(volume).mask, before.mask)


@contextmanager
def asked_after(seconds: float, stop: Stop) -> Iterator[list[float]]:
    """Ask for the stop once this process has computed for so long, however busy the machine is; gives when it asked."""
    asked, begun = list[float](), time.process_time()

    def ask() -> None:
        while time.process_time() - begun < seconds:
            time.sleep(0.001)
        asked.append(time.process_time())
        stop.ask("timeout")

    thread = threading.Thread(target=ask)
    thread.start()
    yield asked
    thread.join()


def computed(work: Callable[[], object]) -> float:
    """Seconds that a core was busy with it."""
    began = time.process_time()
    work()
    return time.process_time() - began
