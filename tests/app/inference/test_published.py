"""Every model that comes with the project: whole, served, and truthful about where it comes from."""

import pytest

from app.inference.model_store import ModelStore
from app.inference.runtime.session import RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from model_store import packaged_store

STORE = packaged_store()
PUBLISHED = sorted((path.parent.parent.name, int(path.parent.name)) for path in STORE.glob("*/*/manifest.json"))


def test_the_release_and_the_papers_own_system_are_there() -> None:
    assert {name for name, _ in PUBLISHED} == {"fetal_head", "usegnet_ds_has_ctx"}


def test_the_files_stay_small() -> None:
    files = {path: path.stat().st_size for path in STORE.rglob("*") if path.is_file()}
    assert max(files.values()) < 20 * 2**20
    assert sum(files.values()) < 60 * 2**20


@pytest.mark.slow
@pytest.mark.parametrize(("name", "version"), PUBLISHED)
def test_it_passes_its_own_test(name: str, version: int) -> None:
    model = ModelStore(STORE).resolve(name, version)
    assert (model.manifest.name, model.manifest.version) == (name, version)
    assert len(model.manifest.levels) == 2
    for provider in ("cpu", "auto"):
        segmenter = HeadSegmenter(model, RuntimeSettings(provider, 1))
        assert segmenter.selftest() <= model.manifest.selftest.tolerance


@pytest.mark.parametrize(("name", "version"), PUBLISHED)
def test_its_card_says_what_it_learned_from_and_how_well_it_does(name: str, version: int) -> None:
    model = ModelStore(STORE).resolve(name, version)
    card, evaluation = model.model_card(), model.evaluation()
    assert card is not None
    assert card.startswith(f"# {name} {version}\n")
    assert "simulated data alone" in card
    accuracy = model.manifest.accuracy
    assert accuracy is not None
    assert evaluation is not None
    assert f"{accuracy.test.dsc_mean:.4f}" in card
