import json
from pathlib import Path

import numpy as np

from model_store import packaged_store
from tests.helpers.golden import Golden
from tests.training.results import result
from training.cli.evaluate import SECTIONS as OFFERED
from training.evaluation.cases import CaseResult, SegmenterResult, evaluate_cases, read_journal
from training.evaluation.provenance import record_command
from training.evaluation.report import SECTIONS, Evaluation, summarise_section
from training.evaluation.tables import explain, format_table
from training.evaluation.writing import write_folder
from training.phantom.cohort import COHORTS, request_for


def test_section_counts_verdicts_and_summarises() -> None:
    found = summarise_section([result(0), result(10), result(20, 190.0, "review")])
    assert found.cases == 3
    assert found.seeds == "0-20"
    assert found.verdicts == {"ok": 2, "review": 1, "reject": 0}
    assert found.accepted["cases"] == 2
    assert found.by_gestational_age["24-27"]["cases"] == 3
    assert found.volume_error_percent.mean == np.mean([5.0, 0.0, 100 * 30 / 220])


def test_missing_distances_are_left_out_but_counted() -> None:
    empty = result(1, 0.0).model_copy(update={"adb_mm": None, "hdb_mm": None, "conformity": None, "dsc": 0.0})
    found = summarise_section([result(0), empty])
    assert found.without_head == 1
    assert found.adb_mm is not None
    assert (found.adb_mm.cases, found.dsc.cases) == (1, 2)


def test_a_model_that_finds_no_head_at_all_can_be_read_again() -> None:
    missing = {"adb_mm": None, "hdb_mm": None, "conformity": None, "dsc": 0.0, "measured_ml": 0.0}
    found = Evaluation(
        test=summarise_section([result(n).model_copy(update=missing) for n in (1, 2)]), command="evaluate"
    )
    assert Evaluation.model_validate_json(found.model_dump_json(exclude_none=True)) == found


def test_folder_gets_report_and_figure(tmp_path: Path) -> None:
    lines = "".join(result(seed, 205.0 + seed % 3).model_dump_json() + "\n" for seed in range(5))
    (tmp_path / "test.jsonl").write_text(lines, encoding="utf-8")
    write_folder(tmp_path)
    written = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert written["data"] == "simulated"
    assert written["test"]["dsc"]["mean"] == 0.95
    assert "shifted" not in written
    assert "<svg" in (tmp_path / "test_agreement.svg").read_text(encoding="utf-8")
    assert Evaluation.model_validate(written).test is not None


def journal(path: Path, results: list[CaseResult]) -> None:
    path.write_text("".join(r.model_dump_json() + "\n" for r in results), encoding="utf-8")


def test_the_interval_is_set_by_test_and_checked_elsewhere(tmp_path: Path) -> None:
    journal(tmp_path / "test.jsonl", [result(n, 200.0 + n + (n % 3 - 1) * 4) for n in range(12)])
    far = result(3, 300.0)
    journal(tmp_path / "shifted.jsonl", [result(1, 201.0), result(2, 202.0), far])
    write_folder(tmp_path)
    found = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert found.volume_interval is not None
    assert found.shifted is not None
    assert found.shifted.interval_held is not None
    assert (found.shifted.interval_held.inside, found.shifted.interval_held.cases) == (2, 3)


def test_each_section_tells_its_command_and_its_voxels(tmp_path: Path) -> None:
    journal(tmp_path / "test.jsonl", [result(n).model_copy(update={"spacing_mm": (0.4,) * 3}) for n in range(2)])
    journal(tmp_path / "shifted.jsonl", [result(n) for n in range(2)])
    record_command(tmp_path, "test", "fetalhead-train evaluate --cohort test")
    record_command(tmp_path, "validation", "fetalhead-train evaluate --cohort validation")
    record_command(tmp_path, "shifted", "fetalhead-train evaluate --cohort shifted")
    write_folder(tmp_path)
    found = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert found.test is not None
    assert (found.test.command, found.test.spacing_mm) == ("fetalhead-train evaluate --cohort test", (0.4, 0.4))
    wanted = "fetalhead-train evaluate --cohort test && fetalhead-train evaluate --cohort shifted"
    assert found.command == wanted


def test_it_reads_as_in_its_golden_file(tmp_path: Path, golden: Golden) -> None:
    """An interval that holds less often elsewhere, voxels that are told and not, and a slope that is undefined."""
    spaced = [result(n, 200.0 + n + (n % 3 - 1) * 4).model_copy(update={"spacing_mm": (0.4,) * 3}) for n in range(12)]
    journal(tmp_path / "test.jsonl", spaced)
    journal(tmp_path / "shifted.jsonl", [result(1, 201.0), result(2, 202.0), result(3, 300.0, "review")])
    journal(tmp_path / "held_out.jsonl", [result(20), result(21)])
    golden(write_folder(tmp_path) + "\n\n" + explain(("test", "shifted", "held_out")), "evaluation.md")


def test_table_shows_only_what_was_evaluated() -> None:
    assert "shifted" not in format_table({"test": summarise_section([result(0), result(1)])})


def test_held_out_patients_have_sections_of_their_own(tmp_path: Path) -> None:
    for place, name in enumerate(SECTIONS):
        lines = "".join(result(10 * place + n).model_dump_json() + "\n" for n in range(2))
        (tmp_path / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    write_folder(tmp_path)
    found = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert list(found.sections) == ["test", "shifted", "held_out", "held_out_shifted", "typical"]
    assert {name: part.seeds for name, part in found.sections.items()}["held_out"] == "20-21"


def test_every_section_is_that_of_a_cohort() -> None:
    assert set(SECTIONS) == set(OFFERED)
    assert set(SECTIONS) < set(COHORTS)


def test_published_evaluations_can_be_read() -> None:
    published = list(packaged_store().glob("*/*/evaluation.json"))
    assert published
    for path in published:
        assert Evaluation.model_validate_json(path.read_text(encoding="utf-8")).test is not None


def test_what_was_looked_at_is_not_said_to_be_untouched() -> None:
    told = explain(("test", "held_out"))
    assert "`held_out`: patients on whom nothing was chosen or adjusted." in told
    assert "were looked at while" in told
    assert "looked at" not in explain(("held_out",))
    assert explain(("test",), "own") == ""


def test_evaluation_continues_where_it_stopped(tmp_path: Path) -> None:
    asked: list[tuple[int, ...]] = []

    def segment(volume: object, weeks: float | None) -> SegmenterResult:
        shape = volume.data.shape  # type: ignore[attr-defined]
        asked.append(shape)
        mask = np.zeros(shape, dtype=np.uint8)
        mask[tuple(slice(n // 3, 2 * n // 3) for n in shape)] = 1
        return SegmenterResult(mask, "ok", (), {"foreground_entropy": 0.1})

    requests = [request_for("test", number, 4.0) for number in range(2)]
    journal = tmp_path / "test.jsonl"
    first = list(evaluate_cases(requests[:1], segment, journal))
    both = list(evaluate_cases(requests, segment, journal))
    assert len(asked) == 2
    assert both[0] == first[0] == read_journal(journal)[0]
    assert [r.seed for r in both] == [2_000_000, 2_000_001]
