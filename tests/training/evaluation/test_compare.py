"""Two evaluations of the same cases, paired."""

import json
from pathlib import Path

import pytest

from tests.helpers.golden import Golden
from tests.training.results import result
from training.cli import main as cli
from training.config.training import ConfigError
from training.evaluation.cases import CaseResult
from training.evaluation.compare import compare_folders, format_table


def written(folder: Path, results: list[CaseResult], name: str = "test") -> Path:
    folder.mkdir(exist_ok=True)
    lines = [one.model_dump_json() + "\n" for one in results]
    (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return folder


def measured(dsc: float, factor: float, seeds: range) -> list[CaseResult]:
    """Each case a thousandth of DSC above the one before, its volume so many times the true one."""
    first = [result(seed, 200.0 + seed) for seed in seeds]
    return [
        one.model_copy(update={"dsc": dsc + 0.001 * n, "true_ml": 100.0 + n, "measured_ml": factor * (100.0 + n)})
        for n, one in enumerate(first, start=seeds.start)
    ]


def test_common_cases_are_paired_and_the_second_is_measured_against_the_first(tmp_path: Path, golden: Golden) -> None:
    before = written(tmp_path / "before", measured(0.80, 1.2, range(10)))
    after = written(tmp_path / "after", measured(0.85, 0.9, range(4, 14)))
    (found,) = compare_folders(before, after)
    assert (found.section, found.dsc.cases, found.better) == ("test", 6, 6)
    assert found.dsc.mean == pytest.approx(0.05)
    assert found.volume_error_percent.mean == pytest.approx(-10.0)
    assert found.first.dsc_min == pytest.approx(0.804)
    assert found.second.volumes.relative_bias_percent == pytest.approx(-10.0)
    golden(format_table([found]), "compared_evaluations.md")


def test_sets_that_only_one_has_are_left_out(tmp_path: Path) -> None:
    before = written(tmp_path / "before", measured(0.8, 1.0, range(3)))
    after = written(written(tmp_path / "after", measured(0.8, 1.0, range(3))), measured(0.7, 1.0, range(3)), "shifted")
    assert [one.section for one in compare_folders(before, after)] == ["test"]


def test_own_cases_are_paired_by_name(tmp_path: Path) -> None:
    named = [one.model_copy(update={"case": f"P{n}_1"}) for n, one in enumerate(measured(0.8, 1.0, range(4)))]
    other = [one.model_copy(update={"seed": 3 - n, "dsc": one.dsc + 0.01}) for n, one in enumerate(named)]
    (found,) = compare_folders(written(tmp_path / "a", named), written(tmp_path / "b", other))
    assert found.dsc.mean == pytest.approx(0.01)
    assert found.better == 4


def test_nothing_in_common_is_said_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, after = (written(tmp_path / n, measured(0.8, 1.0, r)) for n, r in (("a", range(3)), ("b", range(5, 8))))
    with pytest.raises(ConfigError, match="same cases"):
        compare_folders(before, after)
    assert cli.main(["compare", str(before), str(after)]) == 2
    assert "same cases" in capsys.readouterr().err


def test_the_command_tells_programs_all_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = written(tmp_path / "before", measured(0.8, 1.0, range(3)))
    assert cli.main(["compare", str(before), str(before), "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["comparison"]
    assert (found["section"], found["better"], found["dsc"]["mean"], found["dsc"]["p"]) == ("test", 0, 0.0, 1.0)
