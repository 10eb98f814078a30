import pytest

from tests.training.results import result
from training.evaluation.report import Evaluation, summarise_section
from training.export.gate import WorseModelError, require_no_worse


def evaluation(*scores: float, first: int = 10) -> Evaluation:
    results = [result(first + n).model_copy(update={"dsc": score}) for n, score in enumerate(scores)]
    return Evaluation(test=summarise_section(results))


def without_cases(found: Evaluation) -> Evaluation:
    assert found.test is not None
    return Evaluation(test=found.test.model_copy(update={"dsc_by_case": {}}))


def test_a_better_or_equal_model_passes_and_the_difference_is_told() -> None:
    text = require_no_worse(evaluation(0.95, 0.97), evaluation(0.94, 0.96), 3)
    assert "DSC 0.9600 against 0.9500 of version 3 on the same 2 test cases (+0.0100" in text
    assert "95 % interval +0.0100 to +0.0100 by bootstrap over cases, lower in 0 of them)" in text
    require_no_worse(evaluation(0.95, 0.97), evaluation(0.95, 0.97), 3)


def test_a_worse_model_is_refused_and_told_by_how_much() -> None:
    with pytest.raises(
        WorseModelError, match=r"-0\.0150, 95 % interval -0\.0300 to \+0\.0000 by .*, lower in 1 of them.*--force"
    ):
        require_no_worse(evaluation(0.91, 0.96), evaluation(0.94, 0.96), 3)


def test_only_the_locked_cases_count() -> None:
    require_no_worse(evaluation(0.95, 0.97, 0.1), evaluation(0.94, 0.96), 3)
    with pytest.raises(WorseModelError, match="not measured on 1 of the 3 test cases"):
        require_no_worse(evaluation(0.99, 0.99), evaluation(0.1, 0.1, 0.1), 3)
    with pytest.raises(WorseModelError, match="such as 10"):
        require_no_worse(evaluation(0.99, 0.99, first=20), evaluation(0.1, 0.1), 3)


def test_evaluations_from_before_cases_were_kept_are_compared_by_their_range() -> None:
    old = without_cases(evaluation(0.94, 0.96))
    require_no_worse(evaluation(0.95, 0.97, 0.5), old, 1)
    with pytest.raises(WorseModelError, match=r"-0\.0[0-9]+"):
        require_no_worse(evaluation(0.90, 0.97), old, 1)
    with pytest.raises(WorseModelError, match="not measured on 2 of the 2 test cases"):
        require_no_worse(without_cases(evaluation(0.95, 0.97)), old, 1)


def test_what_was_not_measured_is_not_published() -> None:
    with pytest.raises(WorseModelError, match="candidate was not measured"):
        require_no_worse(None, evaluation(0.9, 0.9), 1)
    with pytest.raises(WorseModelError, match="version 1 has no evaluation"):
        require_no_worse(evaluation(0.9, 0.9), None, 1)


def test_the_change_of_the_volumes_is_told_too() -> None:
    worse = Evaluation(test=summarise_section([result(10, 231).model_copy(update={"dsc": 0.9}), result(11, 232.1)]))
    better = Evaluation(
        test=summarise_section([result(10, 207.9).model_copy(update={"dsc": 0.95}), result(11, 208.89)])
    )
    with pytest.raises(WorseModelError) as refused:
        require_no_worse(worse, better, 3)
    assert "mean absolute volume error 10.00 % against 1.00 % (+9.00)" in str(refused.value)
    assert "bias +21.0 mL against -2.1 mL (+18.9 in size)" in str(refused.value)
