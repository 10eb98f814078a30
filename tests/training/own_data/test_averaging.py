"""How much of a fine-tuning is kept: asked of the validation volumes, never below what they say."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume
from tests.helpers.makers import sphere_volume
from training.config.presets import load_config
from training.export.rules import read_kept_change
from training.fitting.checkpoint import LevelWeights, load_level, save_level
from training.fitting.run_folder import RunFolder
from training.own_data import averaging
from training.own_data.averaging import SHARES, Beginning, average_run
from training.own_data.folder import OwnCase


def levels(value: float) -> tuple[LevelWeights, ...]:
    state = {"weight": torch.tensor([value, -value]), "count": torch.tensor(3)}
    return tuple(LevelWeights(n, state, load_config("smoke"), 1, 1.0, 1, None) for n in (1, 2))


@pytest.fixture
def case(tmp_path: Path) -> OwnCase:
    volume = sphere_volume(radius_mm=20.0)
    label = Volume((volume.data > volume.data.mean()).astype(np.uint8), volume.geometry)
    image, truth = tmp_path / "image.nii.gz", tmp_path / "label.nii.gz"
    image.write_bytes(encode_volume(volume))
    truth.write_bytes(encode_volume(label))
    return OwnCase(name="P1_1", image=image, label=truth, patient="P1")


class Found(NamedTuple):
    mask: np.ndarray


def outlines_best_at(best: float) -> type:
    """Stands for the networks: the further their weight is from `best`, the more slices the mask lacks."""

    class Segmenter:
        def __init__(self, given: tuple[LevelWeights, ...], threshold: float) -> None:
            self.lacks = round(40 * abs(float(given[0].state["weight"][0]) - best))
            self.threshold = threshold

        def __call__(self, image: Volume, weeks: float | None) -> Found:
            mask = (image.data > image.data.mean()).astype(np.uint8)
            first = int(np.nonzero(mask)[0].min())
            mask[: first + self.lacks] = 0
            return Found(mask)

    return Segmenter


def unseen(cases: Iterable[OwnCase], number: int, title: str) -> Iterable[OwnCase]:
    return cases


def averaged(run: Path, cases: tuple[OwnCase, ...], threshold: float = 0.4) -> torch.Tensor:
    files = [RunFolder(run).level(n).weights for n in (1, 2)]
    for tuned, file in zip(levels(1.0), files, strict=True):
        save_level(tuned, file)
    average_run(RunFolder(run), Beginning(levels(0.0), threshold), cases, unseen)
    first, second = (load_level(file).state["weight"] for file in files)
    assert torch.equal(first, second)
    return first


@pytest.mark.parametrize("best", SHARES)
def test_the_share_that_is_best_on_the_cases_is_kept(
    best: float, case: OwnCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(averaging, "TorchSegmenter", outlines_best_at(best))
    assert averaged(tmp_path, (case,)).tolist() == [best, -best]
    kept = read_kept_change(RunFolder(tmp_path))
    assert kept is not None
    assert (kept.share, kept.cases) == (best, 1)
    assert kept.threshold == pytest.approx(0.4 + 0.1 * best)
    assert kept.dsc[best] == pytest.approx(1.0)
    assert max(kept.dsc, key=lambda share: kept.dsc[share]) == best


def test_a_model_that_was_better_before_is_said_to_be(
    case: OwnCase, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(averaging, "TorchSegmenter", outlines_best_at(0.0))
    assert averaged(tmp_path, (case,)).tolist() == [0.25, -0.25]
    assert "no worse there" in str(read_kept_change(RunFolder(tmp_path)))


def test_without_validation_volumes_all_of_it_is_kept(tmp_path: Path) -> None:
    assert averaged(tmp_path, ()).tolist() == [1.0, -1.0]
    kept = read_kept_change(RunFolder(tmp_path))
    assert kept is not None
    assert (kept.share, kept.threshold, kept.dsc) == (1.0, 0.5, {})
    assert "no validation volume" in str(kept)


def test_counts_and_other_integers_are_the_tuned_ones() -> None:
    between, _ = Beginning(levels(0.0), 0.5).move_towards(levels(1.0), 0.5)
    assert between.state["count"].item() == 3
    assert between.state["weight"].tolist() == [0.5, -0.5]
