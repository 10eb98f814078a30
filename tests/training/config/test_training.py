import json
from pathlib import Path

import pytest

from training.config.presets import list_presets, load_config
from training.config.training import ConfigError, TrainingConfig
from training.phantom.cohort import COHORTS


@pytest.mark.parametrize("name", list_presets())
def test_preset_is_valid_and_survives_a_round_trip(name: str) -> None:
    config = load_config(name)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config


def test_every_preset_is_named() -> None:
    assert {"smoke", "cpu", "paper"} <= set(list_presets())


def test_paper_preset_holds_the_published_values() -> None:
    config = load_config("paper")
    assert config.network.encoder_channels == (32, 64, 64, 64)
    assert config.network.encoder_kernels == (3, 3, 5, 5)
    assert (config.optimiser.learning_rate, config.optimiser.beta1) == (1e-5, 0.5)
    assert config.budget.epochs == 30
    assert config.loss.kind == "cross_entropy"
    assert config.context_levels == 2
    assert config.preprocessing.spacing_mm == 0.95


def test_unknown_preset_is_refused_with_the_names_that_exist() -> None:
    first, rest = (
        "cpu, finetune, generalisation, paper, release",
        "release-anatomy, release-brief, release-crops, release-gpu, release-longer, release-short, smoke",
    )
    names = f"{first}, {rest}"
    with pytest.raises(ConfigError, match=f"'fast'.*{names}"):
        load_config("fast")


def test_the_short_release_is_the_release_but_for_its_patients_and_its_time() -> None:
    apart = {"name", "description", "seed", "phantoms", "budget", "runtime"}
    short, whole = (load_config(name).model_dump(exclude=apart) for name in ("release-short", "release"))
    for content in (short, whole):
        del content["data"]["max_cases_in_memory"]
    assert short == whole
    phantoms = [load_config(name).phantoms for name in ("release-short", "release")]
    for few, many in zip(*(found.batches for found in phantoms if found), strict=True):
        assert many.model_copy(update={"cases": few.cases}) == few
        assert few.cases == (many.cases if few.cohort == "validation" else many.cases / 2)


def test_a_preset_holds_what_differs_from_the_one_it_extends() -> None:
    release, longer = load_config("release"), load_config("release-longer")
    assert (longer.name, longer.seed, longer.description) == ("release-longer", 51, release.description)
    assert longer.budget == release.budget.model_copy(update={"minutes": (52.0, 26.0)})
    stages = [[stage.spacing_mm for level in found.level for stage in level.stage] for found in (release, longer)]
    assert stages == [[3.6, 2.4, 2.4], [2.4, 2.4]]
    assert longer.optimiser.model_dump() == release.optimiser.model_dump() | {
        "learning_rate": 1.2e-3,
        "ema_decay": 0.999,
    }
    assert longer.augmentation == release.augmentation.model_copy(update={"close_crop_probability": 0.2})
    same = {"name", "seed", "budget", "level", "optimiser", "augmentation", "cascade", "runtime"}
    assert longer.model_dump(exclude=same) == release.model_dump(exclude=same)


def preset(folder: Path, name: str, text: str) -> Path:
    path = folder / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_merged_and_lists_replaced_along_a_chain_of_files(tmp_path: Path) -> None:
    preset(tmp_path, "lower", 'extends = "smoke"\nname = "lower"\nseed = 8\nnetwork.sam = [1]\nnetwork.uam = []\n')
    upper = preset(tmp_path, "inner/upper", 'extends = "../lower.toml"\nname = "upper"\nnetwork.sam = []\n')
    found, smoke = load_config(upper), load_config("smoke")
    assert (found.name, found.seed) == ("upper", 8)
    assert found.network == smoke.network.model_copy(update={"sam": (), "uam": ()})
    assert found.data == smoke.data


def test_a_name_is_never_taken_over(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name\n  Field required"):
        load_config(preset(tmp_path, "nameless", 'extends = "smoke"\n'))


@pytest.mark.parametrize(
    ("extends", "problem"),
    [
        ('"itself.toml"', "in a circle, got itself.toml -> itself.toml"),
        ('"other.toml"', "in a circle, got itself.toml -> other.toml -> itself.toml"),
        ('"nothing-like-it"', "no preset 'nothing-like-it'; expected one of benchmark-cpu"),
        ('"nothing.toml"', "no preset 'nothing.toml'; expected an existing .toml file"),
        ('["smoke", "cpu"]', "must be the name or the path of one preset"),
    ],
)
def test_what_cannot_be_extended_is_refused(tmp_path: Path, extends: str, problem: str) -> None:
    preset(tmp_path, "other", 'extends = "itself.toml"\nname = "other"\n')
    with pytest.raises(ConfigError, match=problem):
        load_config(preset(tmp_path, "itself", f'extends = {extends}\nname = "itself"\n'))


def test_unknown_key_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text('name = "own"\nlearning_rte = 1\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="learning_rte"):
        load_config(path)


def test_a_run_of_a_version_with_more_options_is_still_read(smoke: TrainingConfig) -> None:
    stored = smoke.model_dump(mode="json")
    stored["network"] |= {"norm": "instance", "fine_channels": 0, "distance_head": False}
    stored["cascade"] |= {"join": "sum", "out_of_fold": "disjoint", "folds": 5, "mirrored_levels": []}
    assert TrainingConfig.model_validate_json(json.dumps(stored)) == smoke


@pytest.mark.parametrize("line", ["cascade.context_levels = 1", "stage = [{ spacing_mm = 6.0, shape = [8, 8, 8] }]"])
def test_stages_without_their_level_are_refused_with_where_they_belong(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"one \[\[level\]\] table"):
        load_config(preset(tmp_path, "own", f'extends = "smoke"\nname = "own"\n{line}\n'))


def test_a_run_of_a_version_with_one_list_of_stages_is_still_read() -> None:
    release = load_config("release")
    stored = release.model_dump(mode="json") | {"refinement": None}
    first, _ = stored.pop("level")
    stored["stage"] = first["stage"]
    stored["cascade"]["context_levels"] = 2
    assert TrainingConfig.model_validate_json(json.dumps(stored)) == release


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [("network", "norm", "batch"), ("network", "fine_channels", 16), ("cascade", "mirrored_levels", [1])],
)
def test_what_no_longer_can_be_is_refused_and_named(
    smoke: TrainingConfig, section: str, name: str, value: object
) -> None:
    stored = smoke.model_dump(mode="json")
    stored[section][name] = value
    with pytest.raises(ValueError, match=f"option {name} was removed"):
        TrainingConfig.model_validate(stored)


def test_budget_needs_one_value_per_level(smoke: TrainingConfig) -> None:
    content = smoke.model_dump() | {"budget": {"steps": (5,)}}
    with pytest.raises(ValueError, match="one value per level"):
        TrainingConfig.model_validate(content)


def test_last_stage_must_be_the_served_grid(smoke: TrainingConfig) -> None:
    content = smoke.model_dump() | {"preprocessing": {"spacing_mm": 5.0}}
    with pytest.raises(ValueError, match=r"trains at 6.0 mm, serving at 5.0 mm"):
        TrainingConfig.model_validate(content)


def test_the_phantoms_of_a_preset_never_serve_two_purposes() -> None:
    for preset in list_presets():
        config = load_config(preset)
        if config.phantoms is None:
            continue
        seeds = [COHORTS[b.cohort].seed + b.first + n for b in config.phantoms.batches for n in range(b.cases)]
        assert len(seeds) == len(set(seeds))
        for batch in config.phantoms.batches:
            first = COHORTS[batch.cohort].seed + batch.first
            home = config.data.validation if batch.cohort == "validation" else None
            ranges = [home] if home else config.data.train
            assert any(first in cases and first + batch.cases - 1 in cases for cases in ranges)
