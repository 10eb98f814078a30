"""Intraclass correlations against the example of Shrout and Fleiss (1979): six subjects, four judges."""

import numpy as np
import pytest

from training.evaluation.statistics import intraclass

JUDGED = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float)


def test_the_published_example() -> None:
    one, same = intraclass.one_way(JUDGED), intraclass.agreement(JUDGED)
    assert one is not None
    assert same is not None
    assert (round(one.value, 2), round(same.value, 2)) == (0.17, 0.29)
    assert one.ci95 == pytest.approx((-0.133, 0.723), abs=1e-3)
    assert same.ci95 == pytest.approx((0.019, 0.761), abs=1e-3)


def test_a_way_that_is_always_higher_counts_against_both() -> None:
    rng = np.random.default_rng(3)
    subjects = rng.normal(300, 60, 40)[:, None]
    noise = rng.normal(0, 3, (40, 3))
    shift = np.array([0.0, 0.0, 40.0])
    plain, shifted = subjects + noise, subjects + noise + shift
    for found in (intraclass.one_way, intraclass.agreement):
        before, after = found(plain), found(shifted)
        assert before is not None
        assert after is not None
        assert after.value < before.value - 0.05


def test_where_nothing_differs_nothing_is_said() -> None:
    assert intraclass.one_way(np.full((3, 2), 7.0)) is None
    assert intraclass.agreement(np.full((3, 2), 7.0)) is None
    same = intraclass.one_way(np.array([[1.0, 1.0], [2.0, 2.0]]))
    assert same == intraclass.Intraclass(1.0, None)
