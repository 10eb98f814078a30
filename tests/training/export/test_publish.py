import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.inference.manifest import TrainedLevel, TrainingStep
from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from app.inference.volume_interval import VolumeInterval, WidthByCase, WidthFactor
from tests.helpers.golden import Golden
from tests.helpers.makers import publish_threshold_model
from tests.training.results import result
from training.cases.sources import PhantomCache
from training.cli.main import main
from training.config.presets import load_config
from training.config.training import TrainingConfig
from training.evaluation.cases import evaluate_cases, segment_in_process
from training.evaluation.report import Evaluation, summarise_section
from training.evaluation.statistics.prediction_interval import check_interval
from training.evaluation.statistics.reproducibility import summarise_spread
from training.evaluation.writing import write_folder
from training.export.candidate import record
from training.export.card import explain_missing_interval, format_model_card
from training.export.errors import ExportError
from training.export.history import fit_commands, make_training_record
from training.export.publish import export, publish
from training.export.rules import read_kept_change
from training.fitting.checkpoint import LevelWeights
from training.fitting.run_folder import RunFolder
from training.phantom.cohort import request_for


@pytest.fixture
def candidate(finished_run: Path) -> Path:
    return finished_run / "store" / "fetal_head" / "1"


def test_trained_model_is_exported_evaluated_published_and_served(candidate: Path, tmp_path: Path) -> None:
    settings = RuntimeSettings(provider="cpu", threads=1)
    segmenter = HeadSegmenter(ModelStore(candidate.parent.parent).resolve("fetal_head"), settings)
    requests = [request_for("test", number, 4.0) for number in range(2)]
    results = list(evaluate_cases(requests, segment_in_process(segmenter), tmp_path / "test.jsonl"))
    measured = summarise_section(results).model_copy(
        update={"command": "fetalhead-train evaluate --cohort test --cases 2"}
    )
    evaluation = Evaluation(test=measured, held_out=measured.model_copy(update={"command": ""}))

    last = "fetalhead-train publish candidate"
    first = publish(candidate, tmp_path / "store", evaluation, command=last)
    with pytest.raises(ExportError, match="not measured"):
        publish(candidate, tmp_path / "store", None)
    second = publish(candidate, tmp_path / "store", None, force=True)
    assert (first.name, second.name) == ("1", "2")
    assert sorted(p.name for p in first.iterdir()) == [
        "context_level_1.onnx", "context_level_2.onnx", "evaluation.json", "manifest.json", "model_card.md",
        "selftest.npz", "weights.npz",
    ]  # fmt: skip
    assert not [p for p in first.parent.iterdir() if p.name.startswith(".")]

    served = ModelStore(tmp_path / "store").resolve("fetal_head", 1)
    assert served.manifest.accuracy is not None
    assert served.manifest.accuracy.test.cases == 2
    assert HeadSegmenter(served, settings).selftest() < 1e-4
    card = served.model_card()
    assert card is not None
    assert "simulated data alone" in card
    told = served.manifest.training.commands
    assert told[0].startswith("fetalhead-train fit smoke")
    assert told[1:] == ("fetalhead-train evaluate --cohort test --cases 2", last)
    assert all(command in card for command in told)
    assert served.manifest.volume_interval is None
    assert served.evaluation()["held_out"]["cases"] == 2


def test_selftest_is_small_and_float32(candidate: Path) -> None:
    with np.load(candidate / "selftest.npz") as arrays:
        assert arrays["volume"].dtype == arrays["probability"].dtype == np.float32
        assert arrays["volume"].shape == arrays["probability"].shape
    assert (candidate / "selftest.npz").stat().st_size < 2**20


def test_export_leaves_an_existing_candidate_alone(finished_run: Path, cache: PhantomCache) -> None:
    with pytest.raises(ExportError, match="exists already"):
        export(RunFolder(finished_run), cache, finished_run / "store", datetime(2026, 1, 2, tzinfo=UTC))


def test_what_a_run_was_handed_down_and_kept_is_in_its_candidate(finished_run: Path, candidate: Path) -> None:
    manifest = ModelStore(candidate.parent.parent).resolve("fetal_head").manifest
    assert manifest.quality.components.review == 17
    assert manifest.postprocessing.threshold == 0.43
    assert "Begun with the review limits of fetal_head 1." in manifest.training.notes
    assert any(str(read_kept_change(RunFolder(finished_run))) in note for note in manifest.training.notes)


def weights(smoke: TrainingConfig, *steps: tuple[str, str]) -> LevelWeights:
    """Of preset smoke, after these steps (preset, data); the last one's data are its own."""
    told = [TrainingStep(preset=preset, data=data) for preset, data in steps]
    data = smoke.data.model_copy(update={"earlier": tuple(told[:-1]), "source": told[-1].data})
    config = smoke.model_copy(update={"name": told[-1].preset, "data": data, "budget": load_config("smoke").budget})
    return LevelWeights(1, {}, config, 1, 90.0, 8, 0.75)


OWN = "--data DIR --split"
FIRST = ("release", "simulated"), ("longer", "simulated")
THREE, FOUR = "3 own volumes of 3 patients", "4 own volumes of 4 patients"


@pytest.mark.parametrize(
    ("steps", "run", "fits", "data"),
    [
        ([("smoke", "simulated")], "runs/smoke", ["smoke"], "simulated"),
        ([("smoke", "simulated")], "runs/other", ["smoke --run runs/other"], "simulated"),
        (
            [*FIRST, ("smoke", "simulated")],
            "runs/smoke",
            ["release", "longer --from runs/release", "smoke --from runs/longer"],
            "simulated",
        ),
        ([("smoke", THREE)], "runs/smoke", [f"smoke {OWN} runs/smoke/split.csv"], THREE),
        (
            [*FIRST, ("smoke", THREE)],
            "runs/own",
            [
                "release",
                "longer --from runs/release",
                f"smoke {OWN} runs/own/split.csv --from runs/longer --run runs/own",
            ],
            f"simulated, then {THREE}",
        ),
        (
            [("first", THREE), ("smoke", FOUR)],
            "runs/smoke",
            [f"first {OWN} runs/first/split.csv", f"smoke {OWN} runs/smoke/split.csv --from runs/first"],
            f"{THREE}, then {FOUR}",
        ),
    ],
)
def test_the_record_tells_every_training_in_its_order(
    steps: list[tuple[str, str]], run: str, fits: list[str], data: str, smoke: TrainingConfig
) -> None:
    told = make_training_record([weights(smoke, *steps)], RunFolder(Path(run)), ["A note."])
    assert [(step.preset, step.data) for step in told.steps] == steps
    assert list(told.commands) == [f"fetalhead-train fit {fit}" for fit in fits]
    assert (told.data, told.preset, told.description) == (data, "smoke", smoke.description)
    assert told.levels == (TrainedLevel(steps=1, minutes=1.5, cases=8, validation_dsc=0.75),)
    assert told.notes == ("A note.",)


def test_a_budget_that_was_replaced_is_told(smoke: TrainingConfig) -> None:
    config = weights(smoke, ("smoke", "simulated")).config.with_minutes(2.5)
    assert fit_commands(config, RunFolder(Path("runs/smoke"))) == ("fetalhead-train fit smoke --minutes 2.5",)


@pytest.mark.parametrize(
    ("source", "continues", "fits"),
    [
        ("simulated", "release longer", ["release", "longer --from runs/release", "smoke --from runs/longer"]),
        (f"simulated, then {THREE}", "first", ["first", f"smoke {OWN} runs/smoke/split.csv --from runs/first"]),
        (THREE, None, [f"smoke {OWN} runs/smoke/split.csv"]),
    ],
)
def test_a_run_of_the_first_version_still_tells_its_trainings(
    source: str, continues: str | None, fits: list[str], smoke: TrainingConfig
) -> None:
    stored = smoke.model_dump(mode="json") | {"budget": {"steps": [60, 30]}}
    stored["data"] = {k: v for k, v in stored["data"].items() if k != "earlier"}
    stored["data"] |= {"source": source, "continues": continues}
    config = TrainingConfig.model_validate_json(json.dumps(stored))
    told = make_training_record([LevelWeights(1, {}, config, 1, 1.0, 8, None)], RunFolder(Path("runs/smoke")), [])
    assert list(told.commands) == [f"fetalhead-train fit {fit}" for fit in fits]
    assert told.data == source


def test_a_command_that_is_run_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    model = publish_threshold_model(tmp_path)
    for command in ("focus A --cases 2", "calibrate A --cases 80", "focus A --cases 20"):
        record(model, f"fetalhead-train {command}")
    told = ModelStore(tmp_path).resolve("fetal_head").manifest.training.commands
    assert told == ("none", "fetalhead-train calibrate A --cases 80", "fetalhead-train focus A --cases 20")


def test_too_few_cases_publish_no_interval_and_the_card_says_why() -> None:
    few = Evaluation(test=summarise_section([result(n) for n in range(9)]))
    assert explain_missing_interval(few) == "9 test cases got a volume, at least 10 are needed; measure more"
    assert explain_missing_interval(None) == "the model was not measured on test cases"
    enough = Evaluation(test=summarise_section([result(n) for n in range(10)]))
    assert "write it anew" in (explain_missing_interval(enough) or "")
    assert explain_missing_interval(enough.model_copy(update={"volume_interval": VolumeInterval()})) is None


def test_publishing_says_that_no_interval_goes_with_the_volumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    candidate = publish_threshold_model(tmp_path / "candidate")
    assert main(["publish", str(candidate), "--store", str(tmp_path / "store"), "--json"]) == 0
    told = capsys.readouterr()
    why = "the model was not measured on test cases"
    assert f"no 95 % interval goes with its volumes: {why}" in told.err
    assert json.loads(told.out)["no_interval"] == why
    assert ModelStore(tmp_path / "store").resolve("fetal_head").manifest.volume_interval is None


def test_the_card_tells_interval_and_reproducibility(tmp_path: Path, golden: Golden) -> None:
    publish_threshold_model(tmp_path, volume_interval=VolumeInterval(bias_percent=1.0, half_width_percent=12.0))
    manifest = ModelStore(tmp_path).resolve("fetal_head").manifest
    results = [result(n, 200.0 + n + (n % 3 - 1) * 4) for n in range(12)]
    known = summarise_section(results)
    checked = known.model_copy(update={"interval_held": check_interval(results, VolumeInterval())})
    evaluation = Evaluation(
        test=known, shifted=checked, volume_interval=manifest.volume_interval,
        reproducibility=summarise_spread([[100.0, 104.0], [200.0, 206.0]]),
    )  # fmt: skip
    golden(format_model_card(manifest, evaluation), "model_card.md")
    golden(format_model_card(manifest, None), "model_card_without_evaluation.md")


def test_the_card_tells_by_what_the_width_follows_the_case(tmp_path: Path) -> None:
    factor = WidthFactor(number="foreground_entropy", typical=0.2, least=0.1, exponent=0.5)
    by_case = WidthByCase(factors=(factor,), cases=77, data="simulated")
    publish_threshold_model(tmp_path, volume_interval=VolumeInterval(half_width_percent=7.0, by_case=by_case))
    manifest = ModelStore(tmp_path).resolve("fetal_head").manifest
    results = [result(n, 200.0 + n + (n % 3 - 1) * 4) for n in range(12)]
    known = summarise_section(results).model_copy(update={"interval_held": check_interval(results, VolumeInterval())})
    card = format_model_card(manifest, Evaluation(test=known, volume_interval=manifest.volume_interval))
    assert "± 7.0 % of it in a typical case" in card
    assert "`foreground_entropy` ^ 0.50" in card
    assert "77 validation scans (simulated)" in card
    assert "The true volume lay in it: `test` 12 of 12" in card


def test_a_candidates_own_interval_is_published_once_it_was_evaluated(tmp_path: Path) -> None:
    factor = WidthFactor(number="foreground_entropy", typical=0.2, least=0.1, exponent=0.5)
    by_case = WidthByCase(factors=(factor,), cases=77, data="simulated")
    own = VolumeInterval(half_width_percent=7.0, by_case=by_case)
    candidate = publish_threshold_model(tmp_path / "candidate", volume_interval=own)
    journal = "".join(result(n, 200.0 + n).model_dump_json() + "\n" for n in range(12))
    (tmp_path / "test.jsonl").write_text(journal, encoding="utf-8")
    for data, expected in (("simulated", own), ("own", None)):
        write_folder(tmp_path, data, own)
        evaluation = Evaluation.model_validate_json((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
        published = publish(candidate, tmp_path / data, evaluation)
        found = ModelStore(published.parent.parent).resolve("fetal_head").manifest.volume_interval
        assert found is not None
        assert found == expected or (expected is None and found.by_case is None)
