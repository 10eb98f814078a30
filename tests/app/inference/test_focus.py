import numpy as np
import pytest

from app.inference.focus import everything, head_box, pasted


def blob(*box: slice, shape: tuple[int, int, int] = (40, 32, 24)) -> np.ndarray:
    probability = np.zeros(shape, dtype=np.float32)
    probability[box] = 0.9
    return probability


def test_the_box_holds_the_largest_piece_its_margin_and_whole_multiples() -> None:
    probability = blob(slice(12, 19), slice(10, 20), slice(2, 9))
    probability[38, 30, 22] = 1
    box = head_box(probability, 0.5, margin=2, divisor=8)
    assert [(edge.stop - edge.start) % 8 for edge in box] == [0, 0, 0]
    for edge, (low, high) in zip(box, [(10, 21), (8, 22), (0, 11)], strict=True):
        assert edge.start <= low
        assert edge.stop >= high
    assert box[2].stop < 24


@pytest.mark.parametrize("corner", [0, 39])
def test_the_box_stays_within_the_grid(corner: int) -> None:
    probability = blob(slice(corner, corner + 1), slice(0, 32), slice(20, 24))
    box = head_box(probability, 0.5, margin=30, divisor=8)
    assert all(0 <= edge.start < edge.stop <= n for edge, n in zip(box, probability.shape, strict=True))
    assert probability[box].sum() == probability.sum()


def test_without_a_head_it_is_the_whole_grid() -> None:
    probability = blob(slice(0, 0))
    assert head_box(probability, 0.5, 2, 8) == everything(probability.shape)


def test_outside_the_box_the_level_before_keeps_its_word() -> None:
    before = np.full((8, 8, 8), 0.25, dtype=np.float32)
    box = (slice(0, 4), slice(2, 6), slice(4, 8))
    after = pasted(np.ones((4, 4, 4), dtype=np.float32), box, before)
    assert (after[box] == 1).all()
    assert after.sum() == 64 + 0.25 * (512 - 64)
    assert (before == 0.25).all()
