"""The queue of trainings that `make train-queue` works through."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.repository import ROOT

SMALL = """
extends = "smoke"
name = "small"
level = [{ stage = [{ spacing_mm = 6.0, shape = [32, 24, 24] }] }]
data.train = [{ first = 0, stop = 2 }]
phantoms.train = 2
phantoms.context = 0
phantoms.validation = 1
phantoms.spacing_mm = 6.0
budget.steps = [2]
"""


def work_through(queue: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, str(ROOT / "scripts/train-queue"), str(queue)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_queue_is_trained_once_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    preset = tmp_path / "small.toml"
    preset.write_text(SMALL)
    queue = tmp_path / "queue.toml"
    queue.write_text(f'[[run]]\nname = "first"\npreset = "{preset}"\n')
    done = work_through(queue)
    assert done.returncode == 0, (tmp_path / "first" / "log.txt").read_text()
    assert (tmp_path / "first" / "level_1" / "weights.pt").is_file()
    log = (tmp_path / "first" / "log.txt").read_text()
    again = work_through(queue)
    assert again.stdout == "every run of the queue is trained\n"
    assert (tmp_path / "first" / "log.txt").read_text() == log


@pytest.mark.slow
def test_a_run_that_fails_three_times_is_passed_over(tmp_path: Path) -> None:
    queue = tmp_path / "queue.toml"
    queue.write_text('[[run]]\nname = "bad"\npreset = "nowhere"\n')
    done = work_through(queue)
    assert done.returncode == 1
    assert done.stdout.count("bad ended with code 2") == 3
    assert (tmp_path / "bad" / "log.txt").read_text().count("no preset 'nowhere'") == 3


@pytest.mark.parametrize("text", ['[[run]]\nname = "x"\n', '[[run]]\nname = "x"\npreset = "smoke"\ncores = 2\n'])
def test_a_queue_with_other_keys_is_refused(tmp_path: Path, text: str) -> None:
    queue = tmp_path / "queue.toml"
    queue.write_text(text)
    done = work_through(queue)
    assert done.returncode == 1
    assert "a run needs name and preset, and may have arguments" in done.stderr


def test_a_queue_that_is_not_there_is_named(tmp_path: Path) -> None:
    done = work_through(tmp_path / "queue.toml")
    assert done.returncode == 1
    assert "There is no queue" in done.stderr
