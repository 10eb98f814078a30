from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from app.inference.model_store import ModelStore
from app.inference.segmenter import HeadSegmenter
from app.inference.session import RuntimeSettings
from training import auto_context
from training.checkpoint import LevelWeights
from training.config import BudgetConfig, TrainingConfig
from training.data import PhantomCache
from training.evaluation.cases import evaluate_cases, in_process
from training.evaluation.report import Evaluation, section
from training.export.errors import ExportError
from training.export.publish import commands, export, publish
from training.phantom.cohort import request_for


@pytest.fixture(scope="module")
def candidate(cache: PhantomCache, smoke: TrainingConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = smoke.model_copy(update={"budget": BudgetConfig(steps=(30, 10))})
    folder = tmp_path_factory.mktemp("run")
    auto_context.fit(config, cache, folder / "run", (1, 2), resume=False)
    return export(folder / "run", cache, folder / "candidate", datetime(2026, 1, 2, tzinfo=UTC))


def test_trained_model_is_exported_evaluated_published_and_served(candidate: Path, tmp_path: Path) -> None:
    settings = RuntimeSettings(provider="cpu", threads=1)
    segmenter = HeadSegmenter(ModelStore(candidate.parent.parent).resolve("fetal_head"), settings)
    requests = [request_for("test", number, 4.0) for number in range(2)]
    results = list(evaluate_cases(requests, in_process(segmenter), tmp_path / "test.jsonl"))
    measured = section(results)
    evaluation = Evaluation(test=measured, held_out=measured, command="fetalhead-train evaluate")

    first = publish(candidate, tmp_path / "store", evaluation)
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
    assert "fetalhead-train fit smoke" in card
    assert "`held_out`: patients on whom nothing was chosen or adjusted." in card
    assert served.evaluation()["held_out"]["cases"] == 2


def test_selftest_is_small_and_float32(candidate: Path) -> None:
    with np.load(candidate / "selftest.npz") as arrays:
        assert arrays["volume"].dtype == arrays["probability"].dtype == np.float32
        assert arrays["volume"].shape == arrays["probability"].shape
    assert (candidate / "selftest.npz").stat().st_size < 2**20


def test_export_leaves_an_existing_candidate_alone(candidate: Path, cache: PhantomCache) -> None:
    run = candidate.parent.parent.parent / "run"
    with pytest.raises(ExportError, match="exists already"):
        export(run, cache, candidate.parent.parent, datetime(2026, 1, 2, tzinfo=UTC))


@pytest.mark.parametrize(
    ("source", "continues", "fits"),
    [
        ("simulated", None, ["fetalhead-train fit smoke"]),
        ("simulated", "release", ["fetalhead-train fit release", "fetalhead-train fit smoke --from runs/release"]),
        (
            "simulated",
            "release longer",
            [
                "fetalhead-train fit release",
                "fetalhead-train fit longer --from runs/release",
                "fetalhead-train fit smoke --from runs/longer",
            ],
        ),
        ("3 own volumes of 3 patients", None, ["fetalhead-train fit smoke --data DIR"]),
    ],
)
def test_the_commands_start_where_the_training_did(
    source: str, continues: str | None, fits: list[str], smoke: TrainingConfig
) -> None:
    data = smoke.data.model_copy(update={"source": source, "continues": continues})
    level = LevelWeights(1, {}, smoke.model_copy(update={"data": data}), 1, 1.0, 1, None)
    told = commands([level])
    assert list(told[: len(fits)]) == fits
    assert told[len(fits)] == "fetalhead-train export runs/smoke"
