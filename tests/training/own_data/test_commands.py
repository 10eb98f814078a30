import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from app.imaging.nifti.file import encode_volume
from app.inference.manifest import ModelManifest
from app.inference.model_store import ModelStore
from model_store import packaged_store
from tests.helpers.makers import publish_threshold_model, sphere_ml, sphere_volume
from training.cli import main as cli
from training.export.candidate import update_manifest
from training.export.rules import read_kept_change, with_rules
from training.export.weights import load_weights, pack_weights, unpack_weights
from training.fitting.checkpoint import load_level
from training.fitting.run_folder import RunFolder
from training.fitting.state import new_level
from training.own_data.averaging import SHARES
from training.phantom import SimulationRequest, simulate

pytestmark = pytest.mark.slow

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("own")
    for name in ("images", "labels"):
        (root / name).mkdir()
    for number in range(8):
        made = simulate(SimulationRequest(seed=7000 + number, spacing=5.0))
        case = f"P{number // 2}_{number % 2}.nii.gz"
        (root / "images" / case).write_bytes(encode_volume(made.volume))
        (root / "labels" / case).write_bytes(encode_volume(made.truth))
    return root


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("presets") / "own.toml"
    path.write_text('extends = "smoke"\nname = "own"\nbudget.steps = [12, 6]\nnetwork.sam = []\nnetwork.uam = []\n')
    return path


@pytest.fixture(scope="module")
def published(folder: Path, preset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model trained on the folder, measured on it and published into an empty store."""
    work = tmp_path_factory.mktemp("work")
    run, store = work / "run", work / "store"
    split = ["--split", str(folder / "split.csv")]
    rows = ["name,part", "P0,train", "P1,train", "P2,validation", "P3,test"]
    (folder / "split.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    commands = (
        ["fit", str(preset), "--data", str(folder), "--run", str(run), *split],
        ["export", str(run), "--data", str(folder)],
        ["evaluate", "--data", str(folder), "--store", str(run / "store"), "--out", str(work / "evaluation"), *split],
        [
            "publish", str(run / "store" / "fetal_head" / "1"), "--store", str(store),
            "--evaluation", str(work / "evaluation" / "evaluation.json"),
        ],
    )  # fmt: skip
    assert [cli.main(command) for command in commands] == [0] * len(commands)
    return work


def test_own_volumes_go_all_the_way_to_a_published_model(published: Path) -> None:
    model = published / "store" / "fetal_head" / "1"
    evaluation = json.loads((model / "evaluation.json").read_text(encoding="utf-8"))
    assert evaluation["data"] == "own"
    assert sorted(evaluation["test"]["dsc_by_case"]) == ["P3_0", "P3_1"]
    assert evaluation["test"]["seeds"] == "P3_0..P3_1"
    manifest = json.loads((model / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["training"]["data"] == "4 own volumes of 2 patients"
    told = [command.split()[1] for command in manifest["training"]["commands"]]
    assert told == ["fit", "export", "evaluate", "publish"]
    fit, exported, measured, _ = manifest["training"]["commands"]
    assert "--data DIR --split run/split.csv" in fit
    assert "--data " in exported
    assert "--split split.csv" in measured
    assert measured == evaluation["test"]["command"] == evaluation["command"]
    assert manifest["volume_interval"] is None
    assert [level["cases"] for level in manifest["training"]["levels"]] == [2, 2]
    card = (model / "model_card.md").read_text(encoding="utf-8")
    assert "Trained on: 4 own volumes of 2 patients" in card
    assert "min on 2 cases" in card
    assert "simulated data alone" not in card


def test_levels_learn_from_different_patients(published: Path) -> None:
    levels = [load_level(published / "run" / f"level_{n}" / "weights.pt") for n in (1, 2)]
    assert [level.config.data.train[n].first for n, level in enumerate(levels)] == [0, 2]
    assert all(level.cases == 2 for level in levels)


@pytest.fixture(scope="module")
def store(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published model with a threshold and a limit of its own."""
    store = tmp_path_factory.mktemp("calibrated") / "store"
    shutil.copytree(published / "store", store)
    manifest = manifest_of(store)
    limit = manifest.quality.context_agreement_dsc.model_copy(update={"review": 0.123})
    quality = manifest.quality.model_copy(update={"context_agreement_dsc": limit})
    rules = manifest.postprocessing.model_copy(update={"threshold": 0.37})
    update_manifest(store / "fetal_head" / "1", postprocessing=rules, quality=quality)
    return store


@pytest.fixture(scope="module")
def tuned(store: Path, folder: Path, preset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that began with the published model."""
    run = tmp_path_factory.mktemp("tuned") / "run"
    source = ["--from", "fetal_head/1", "--store", str(store)]
    assert cli.main(["fit", str(preset), "--data", str(folder), "--run", str(run), *source]) == 0
    return run


def test_a_published_model_is_trained_on(store: Path, tuned: Path) -> None:
    before = load_weights("fetal_head/1", store)
    level = load_level(tuned / "level_1" / "weights.pt")
    assert level.config.network == before[0].config.network
    assert [step.data for step in level.config.steps] == ["4 own volumes of 2 patients"] * 2
    assert {len(level.config.data.train), level.config.data.train[0].stop} == {2, 4}
    start = load_level(tuned / "level_1" / "initial.pt").state
    assert all(np.allclose(value, start[name]) for name, value in before[0].state.items())
    assert any(not np.allclose(value, start[name]) for name, value in level.state.items())


def test_what_is_trained_on_keeps_the_limits_it_began_with_and_part_of_the_change(
    store: Path, tuned: Path, folder: Path, preset: Path, tmp_path: Path
) -> None:
    again, before, began = tmp_path / "again", 0.37, manifest_of(store)
    source = ["--from", str(tuned), "--store", str(store)]
    assert cli.main(["fit", str(preset), "--data", str(folder), "--run", str(again), *source]) == 0
    for run in (tuned, again):
        candidate = with_rules(began, RunFolder(run))
        kept = read_kept_change(RunFolder(run))
        assert kept is not None
        assert (kept.cases, set(kept.dsc)) == (2, {0.0, *SHARES})
        assert candidate.postprocessing.threshold == pytest.approx(before + kept.share * (0.5 - before), abs=1e-4)
        assert candidate.quality.context_agreement_dsc.review == 0.123
        assert "Begun with the review limits of fetal_head 1." in candidate.training.notes
        assert any(str(kept) in note for note in candidate.training.notes)
        before = kept.threshold


def manifest_of(store: Path) -> ModelManifest:
    return ModelStore(store).resolve("fetal_head", 1).manifest


def test_kept_weights_are_the_trained_ones(published: Path) -> None:
    trained = load_level(published / "run" / "level_1" / "weights.pt")
    (kept,) = unpack_weights(pack_weights([trained]))
    assert kept.config == trained.config
    assert all(np.allclose(value, kept.state[name], rtol=2e-3, atol=1e-6) for name, value in trained.state.items())


def test_the_first_published_model_can_be_trained_on() -> None:
    levels = load_weights("usegnet_ds_has_ctx/1", packaged_store())
    assert [level.context_level for level in levels] == [1, 2]
    assert levels[0].config.name == "cpu"


def test_the_weights_of_the_published_release_can_be_trained_on() -> None:
    levels = load_weights("fetal_head", packaged_store())
    assert [level.context_level for level in levels] == [1, 2]
    assert [level.config.name for level in levels] == ["release-crops"] * 2
    for level in levels:
        new_level(level.config).load_state_dict(level.state)


def test_repeated_scans_need_no_labels(published: Path, folder: Path, tmp_path: Path) -> None:
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "images").symlink_to(folder / "images")
    out = tmp_path / "out"
    options = ["--store", str(published / "store"), "--out", str(out)]
    assert cli.main(["reproducibility", "--data", str(scans), *options]) == 0
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["reproducibility"]
    assert (found["groups"], found["views"]) == (4, 2)
    assert found["spacing_mm"] == [5.0, 5.0]
    assert "left_out" not in found or found["left_out"] == []
    typed = found["command"].split()
    assert typed[:4] == ["fetalhead-train", "reproducibility", "--data", "scans"]


def test_patients_with_another_number_of_scans_are_named(folder: Path, tmp_path: Path, capsys: Capture) -> None:
    publish_threshold_model(tmp_path / "models")
    images = tmp_path / "scans" / "images"
    images.mkdir(parents=True)
    radii = {"A_1": 30.0, "A_2": 30.2, "B_1": 34.0, "B_2": 34.5, "C_1": 33.0, "D_1": 33.0, "D_2": 33.2, "D_3": 33.4}
    for name, radius in radii.items():
        (images / f"{name}.nii.gz").write_bytes(encode_volume(sphere_volume(radius)))
    out = tmp_path / "out"
    arguments = ["reproducibility", "--data", str(tmp_path / "scans"), "--store", str(tmp_path / "models")]
    assert cli.main([*arguments, "--out", str(out)]) == 0
    told = capsys.readouterr()
    wanted = [
        "C: number of scans 1, compared are patients with 2",
        "D: number of scans 3, compared are patients with 2",
    ]
    assert all(f"left out: {who}" in told.err and who in told.out for who in wanted)
    assert json.loads((out / "evaluation.json").read_text(encoding="utf-8"))["reproducibility"]["left_out"] == wanted
    with (out / "repeated_scans.csv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table))
    assert [(row["patient"], row["scan"]) for row in rows] == [("A", "A_1"), ("A", "A_2"), ("B", "B_1"), ("B", "B_2")]
    assert float(rows[0]["measured_ml"]) == pytest.approx(sphere_ml(30.0), rel=0.02)
