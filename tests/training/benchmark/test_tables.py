"""What the tables say of one training seed and of several."""

import pytest

from tests.training.evaluation.test_report import result
from training.benchmark.report import _seeds, _volumes
from training.benchmark.scales import SCALES
from training.benchmark.tables import Measured, as_markdown, rows, shown_p
from training.evaluation.cases import CaseResult
from training.systems import find_system

CASES = range(2_000_000, 2_000_005)


def measured(*dsc: float) -> Measured:
    """A system whose every case has one DSC for each training seed."""

    def cases(value: float) -> tuple[CaseResult, ...]:
        return tuple(result(n, 200.0 + n % 7).model_copy(update={"dsc": value}) for n in CASES)

    runs = tuple(cases(value) for value in dsc)
    return Measured(find_system("USegNet"), runs, runs, parameters=1_000_000, minutes=1.0)


def test_several_seeds_have_a_mean_and_a_spread() -> None:
    found = measured(0.80, 0.82, 0.87)
    assert found.mean("dsc") == pytest.approx(0.83)
    assert found.seed_sd == pytest.approx(0.0360555)
    assert "| **83.00 ± 3.61** |" in as_markdown(rows([found]))


def test_one_seed_has_no_spread() -> None:
    assert measured(0.8).seed_sd is None
    assert "| **80.00** |" in as_markdown(rows([measured(0.8)]))


def test_the_report_says_which_seeds_stand_where() -> None:
    assert "Of the first training seed." in _volumes({"USegNet": measured(0.8, 0.82)}, [])
    assert "Of the first training seed." not in _volumes({"USegNet": measured(0.8)}, [])
    assert _seeds(SCALES["smoke"]) == "one training seed"
    assert _seeds(SCALES["cpu"]) == "3 training seeds (DSC: mean and SD over seeds)"


@pytest.mark.parametrize(("p", "shown"), [(0.00099, "< 0.001"), (0.001, "0.001"), (0.0464, "0.046"), (1.0, "1.000")])
def test_a_small_p_is_not_shown_as_nothing(p: float, shown: str) -> None:
    assert shown_p(p) == shown
