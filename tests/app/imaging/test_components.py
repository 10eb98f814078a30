"""Components found slab by slab are those of the whole mask."""

import threading
import time

import cc3d
import numpy as np
import pytest
from numpy.typing import NDArray

from app.imaging.components import Connectivity, find_components

SHAPE = (17, 12, 15)
SPIRAL = np.zeros(SHAPE, dtype=bool)
SPIRAL[:, 1, 1] = SPIRAL[0, 1:9, 1] = SPIRAL[2:, 9, 1] = SPIRAL[16, 1:9, 1] = True
STAIRS = np.zeros(SHAPE, dtype=bool)
STAIRS[np.arange(12), np.arange(12), np.arange(12)] = True


def noise(share: float, seed: int) -> NDArray[np.bool_]:
    filled: NDArray[np.bool_] = np.random.default_rng(seed).random(SHAPE) < share
    return filled


MASKS = {
    "nothing": np.zeros(SHAPE, dtype=bool),
    "everything": np.ones(SHAPE, dtype=bool),
    "joined at its far end": SPIRAL,
    "joined by corners": STAIRS,
    **{f"noise {share}": noise(share, seed) for seed, share in enumerate((0.05, 0.15, 0.3, 0.5, 0.8))},
}


@pytest.mark.parametrize("connectivity", [6, 26])
@pytest.mark.parametrize("planes", [1, 2, 5, 100])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_they_are_those_of_the_whole(mask: NDArray[np.bool_], planes: int, connectivity: Connectivity) -> None:
    found = find_components(mask, connectivity, planes * SHAPE[1] * SHAPE[2])
    labels, count = cc3d.connected_components(mask, connectivity=connectivity, return_N=True)
    assert found.count == count
    assert sorted(found.sizes()) == sorted(np.bincount(labels.ravel())[1:])
    for number in range(1, count + 1):
        one = found.only(number)
        (where,) = np.unique(labels[one])
        assert where > 0
        assert np.array_equal(one, labels == where)
        assert found.sizes()[number - 1] == one.sum()
        i, j, k = np.argwhere(one)[-1]
        assert found.at(int(i), int(j), int(k)) == number
    if not mask.all():
        i, j, k = np.argwhere(~mask)[0]
        assert found.at(int(i), int(j), int(k)) == 0


def test_other_threads_go_on_meanwhile() -> None:
    """A volume of native size; at once it would hold the interpreter's lock for as long as all slabs take together."""
    mask = np.zeros((388, 258, 440), dtype=bool)
    mask[40:340, 30:230, 40:400] = True
    beats, done = [time.perf_counter()], threading.Event()

    def beat() -> None:
        while not done.is_set():
            time.sleep(0.0005)
            beats.append(time.perf_counter())

    thread = threading.Thread(target=beat)
    thread.start()
    find_components(mask, 26)
    done.set()
    thread.join()
    assert len(beats) > 20
