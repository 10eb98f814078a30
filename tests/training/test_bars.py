import io
import sys

import pytest
from tqdm import tqdm

from training.bars import progress_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in progress_bar(range(50_000), desc="scans"):
        pass
    return stream.getvalue()


def test_in_a_file_a_bar_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written = drawn(io.StringIO(), monkeypatch)
    assert "\r" not in written
    first, last = written.splitlines()
    assert first.startswith("scans: 0it") or "0/50000" in first
    assert "50000/50000" in last


def test_on_a_terminal_a_bar_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(Terminal(), monkeypatch).count("\r") > 1


def test_a_bar_by_hand_counts_on_and_is_not_drawn_over_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    bar = progress_bar(desc="context level 1", unit="step", initial=7)
    bar.update()
    tqdm.write("validated", file=stream)
    bar.set_postfix(loss="0.300", refresh=False)
    bar.close()
    lines = stream.getvalue().splitlines()
    assert lines[1] == "validated"
    assert len(lines) == 3
    assert lines[2].startswith("context level 1: 8step")
    assert "loss=0.300" in lines[2]
