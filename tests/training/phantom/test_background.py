import time
from pathlib import Path

import pytest

from training.cli.shared import wanted_phantoms
from training.config.presets import list_presets, load_config
from training.phantom import background
from training.phantom.cohort import request_for

SPACING = 6.0


def test_the_first_are_there_at_once_and_the_rest_follow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST", 2)
    requests = [request_for("train", n, SPACING) for n in range(4)]
    with background.make_in_background(tmp_path, requests):
        assert len(list(tmp_path.glob("*.npz"))) >= 2
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("*.npz"))) < 4 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert sorted(int(p.stem) for p in tmp_path.glob("*.npz")) == [0, 1, 2, 3]


def test_nothing_is_made_where_nothing_lacks(tmp_path: Path) -> None:
    requests = [request_for("train", 0, SPACING)]
    with background.make_in_background(tmp_path, requests):
        first = (tmp_path / "00000000.npz").stat().st_mtime_ns
    with background.make_in_background(tmp_path, requests):
        assert (tmp_path / "00000000.npz").stat().st_mtime_ns == first


def test_the_second_process_ends_with_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST", 0)
    requests = [request_for("train", n, SPACING) for n in range(500)]
    with background.make_in_background(tmp_path, requests):
        pass
    before = len(list(tmp_path.glob("*.npz")))
    time.sleep(0.5)
    assert len(list(tmp_path.glob("*.npz"))) == before


@pytest.mark.parametrize("preset", [name for name in list_presets() if load_config(name).phantoms is not None])
def test_what_is_made_first_is_enough_to_begin_any_level(preset: str) -> None:
    config = load_config(preset)
    first = [request.seed for request in wanted_phantoms(config, none=False)[: background.FIRST]]
    ranges = [config.data.train[level - 1] for level in config.trained_levels]
    assert all(any(seed in wanted for seed in first) for wanted in [*ranges, config.data.validation])


def test_what_was_made_before_does_not_stand_for_what_comes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "FIRST", 1)
    wanted, other = request_for("train", 0, SPACING), request_for("train", 1, SPACING)
    with background.make_in_background(tmp_path, [other]):
        pass
    with background.make_in_background(tmp_path, [wanted, other, request_for("train", 2, SPACING)]):
        assert (tmp_path / "00000000.npz").is_file()
