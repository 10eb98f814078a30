"""`fetalhead-train release`: every step in order, none twice, and a stop where one fails."""

import json
import shutil
from pathlib import Path

import pytest

from training.cli.main import main, make_parser
from training.cli.release import (
    Arguments,
    OtherReleaseError,
    Release,
    StepFailedError,
    carry_out,
    format_command,
    read_finished_steps,
)
from training.fitting.run_folder import RunFolder

ORDER = ["fit", "export", "focus", "quantize", "calibrate", *["evaluate"] * 5, "reproducibility"]


@pytest.fixture
def release(tmp_path: Path) -> Release:
    (tmp_path / "run").mkdir()
    return Release("smoke", RunFolder(tmp_path / "run"), tmp_path / "models")


def option(step: Arguments, name: str) -> str:
    return step[step.index(name) + 1]


def test_the_steps_build_on_each_other(release: Release) -> None:
    steps = list(release.steps())
    assert [step[0] for step in steps] == ORDER
    assert option(steps[0], "--data") == option(steps[1], "--data") == str(release.run.path / "phantoms")
    assert {step[1] for step in steps if step[0] in {"focus", "quantize", "calibrate"}} == {
        str(release.run.path / "store" / "fetal_head" / "1")
    }
    measured = {(option(step, "--store"), option(step, "--out")) for step in steps[5:]}
    assert measured == {(str(release.run.path / "store"), str(release.run.path / "evaluation"))}
    assert [option(step, "--cases") for step in steps[2:10]] == ["20", "40", "80", "200", "100", "100", "50", "60"]
    cohorts = [option(step, "--cohort") for step in steps[5:10]]
    assert cohorts == ["test", "shifted", "held_out", "held_out_shifted", "typical"]


def test_scans_of_one_size_lie_together(release: Release) -> None:
    sizes: dict[str, set[str]] = {}
    for step in list(release.steps())[2:]:
        sizes.setdefault(option(step, "--phantoms"), set()).add(option(step, "--spacing"))
    assert sorted(sizes.values()) == [{"1.3"}, {"0.38"}, {"1.3"}]


def test_a_share_of_the_cases_but_two_at_least(release: Release) -> None:
    small = Release("smoke", release.run, release.store, share=0.01, spacing_mm=3.0)
    assert {option(step, "--cases") for step in small.steps() if "--cases" in step} == {"2"}
    assert {option(step, "--spacing") for step in small.steps() if "--spacing" in step} == {"3.0"}


def test_what_it_starts_from_and_where_it_is_published(release: Release) -> None:
    wanted = Release("smoke", release.run, release.store, start="fetal_head/8", minutes=2.5, publish=True)
    first, *_, last = wanted.steps()
    assert option(first, "--from") == "fetal_head/8"
    assert option(first, "--minutes") == "2.5"
    assert last[0] == "publish"
    assert option(first, "--store") == option(last, "--store") == str(release.store)


def test_it_stops_where_a_step_fails_and_goes_on_there(release: Release) -> None:
    ran: list[str] = []

    def run(step: Arguments) -> int:
        ran.append(step[0])
        return 1 if step[0] == "quantize" and ran.count("quantize") == 1 else 0

    with pytest.raises(StepFailedError, match=r"`fetalhead-train quantize .*` ended with exit code 1"):
        list(carry_out(release, run))
    assert [step[0] for step in read_finished_steps(release.run.path / "release.json")] == ORDER[:3]
    assert [step[0] for step in carry_out(release, run)] == ORDER[3:]
    assert ran == [*ORDER[:4], *ORDER[3:]]
    assert list(carry_out(release, run)) == []


def test_a_run_is_not_mixed_with_what_other_arguments_make(release: Release) -> None:
    list(carry_out(release, lambda step: 0))
    other = Release("smoke", release.run, release.store, share=0.5)
    with pytest.raises(OtherReleaseError, match=r"begun with `.*--cases 20 .*`, not with `.*--cases 10 .*`; .* --run"):
        list(carry_out(other, lambda step: 0))


def test_what_is_ready_can_be_published_later(release: Release) -> None:
    list(carry_out(release, lambda step: 0))
    published = Release("smoke", release.run, release.store, publish=True)
    assert [step[0] for step in carry_out(published, lambda step: 0)] == ["publish"]
    assert list(carry_out(release, lambda step: 0)) == []


def test_every_step_is_a_command_that_can_be_typed(release: Release) -> None:
    wanted = Release("smoke", release.run, release.store, start="fetal_head/8", minutes=2.5, publish=True)
    for step in wanted.steps():
        assert make_parser().parse_args([*step, "--json"]).command is not None


def test_the_commands_really_run(release: Release, finished_run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(finished_run, release.run.path, dirs_exist_ok=True)
    small = Release("smoke", release.run, release.store, share=0.01, spacing_mm=6.0)
    with pytest.raises(StepFailedError):
        list(carry_out(small, lambda step: int(step[0] not in {"fit", "export"})))
    arguments = ["release", "smoke", "--run", str(release.run), "--store", str(release.store), "--share", "0.01"]
    assert main([*arguments, "--spacing", "6", "--json"]) == 1  # two steps of training are too weak to calibrate
    told = capfd.readouterr()
    assert told.out == ""
    assert "train it longer" in told.err
    (problem,) = [json.loads(line) for line in told.err.splitlines() if line.startswith('{"error"')][-1:]
    assert format_command(("calibrate",)) in problem["error"]
    done = [step[0] for step in read_finished_steps(release.run.path / "release.json")]
    assert done == ["fit", "export", "focus", "quantize"]
