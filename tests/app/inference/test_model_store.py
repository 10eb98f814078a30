from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from app.inference.errors import DamagedModel, ModelNotFound
from app.inference.model_store import ModelStore
from tests.helpers.makers import publish_threshold_model


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    for version in (1, 2, 10):
        publish_threshold_model(tmp_path, version)
    return ModelStore(tmp_path)


def test_the_newest_version_is_the_default(store: ModelStore) -> None:
    assert store.versions("fetal_head") == [1, 2, 10]
    assert store.resolve("fetal_head").manifest.version == 10
    assert store.resolve("fetal_head", 2).manifest.version == 2


def test_the_bytes_are_those_that_were_hashed(store: ModelStore) -> None:
    model = store.resolve("fetal_head")
    hashes = [hashlib.sha256(content).hexdigest() for content in model.levels]
    assert hashes == [level.sha256 for level in model.manifest.levels]
    assert model.model_card() == "# Threshold networks for tests\n"
    assert model.evaluation() == {"data": "none"}


def test_card_and_evaluation_may_be_missing(store: ModelStore) -> None:
    (store.root / "fetal_head" / "10" / "model_card.md").unlink()
    (store.root / "fetal_head" / "10" / "evaluation.json").unlink()
    model = store.resolve("fetal_head")
    assert model.model_card() is None
    assert model.evaluation() is None


def test_unfinished_and_foreign_folders_are_no_versions(store: ModelStore) -> None:
    for name in ("11", "12.partial", "012", "notes", "-3"):
        (store.root / "fetal_head" / name).mkdir()
    assert store.versions("fetal_head") == [1, 2, 10]


@pytest.mark.parametrize(("name", "version"), [("fetal_head", 3), ("fetal_head", 0), ("other", None), ("../x", None)])
def test_what_is_not_published_is_not_found(store: ModelStore, name: str, version: int | None) -> None:
    with pytest.raises(ModelNotFound):
        store.resolve(name, version)


@pytest.mark.parametrize("name", ["context_level_1.onnx", "context_level_2.onnx", "selftest.npz"])
def test_an_altered_file_is_refused(store: ModelStore, name: str) -> None:
    path = store.root / "fetal_head" / "10" / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedModel) as caught:
        store.resolve("fetal_head")
    assert caught.value.code == "hash_mismatch"
    assert name in caught.value.detail


def test_a_missing_file_is_refused(store: ModelStore) -> None:
    (store.root / "fetal_head" / "10" / "context_level_2.onnx").unlink()
    with pytest.raises(DamagedModel, match="missing"):
        store.resolve("fetal_head")


def test_a_manifest_that_cannot_be_read_is_refused(store: ModelStore) -> None:
    (store.root / "fetal_head" / "10" / "manifest.json").write_text("{}")
    with pytest.raises(DamagedModel) as caught:
        store.resolve("fetal_head")
    assert caught.value.code == "bad_manifest"


def test_a_version_under_another_number_is_refused(store: ModelStore) -> None:
    (store.root / "fetal_head" / "10").rename(store.root / "fetal_head" / "11")
    with pytest.raises(DamagedModel, match="describes fetal_head version 10"):
        store.resolve("fetal_head")
