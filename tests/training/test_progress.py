import io
import sys

import pytest

from training.progress import ProgressBar, with_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def drawn(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    assert list(with_progress(range(5_000), 5_000, "scans")) == list(range(5_000))
    return stream.getvalue()


def test_in_a_file_progress_is_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    written = drawn(io.StringIO(), monkeypatch)
    assert "\r" not in written
    first, last = written.splitlines()
    assert first == "scans: 0 % in 0:00:00, 0 of 5000"
    assert last.startswith("scans: 100 % in 0:00:0")
    assert last.endswith("5000 of 5000")


def test_on_a_terminal_a_bar_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    written = drawn(Terminal(), monkeypatch)
    assert written.count("\r") > 1
    assert "5000 of 5000" in written


def test_a_line_says_what_stands_beside_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with ProgressBar("context level 1") as bar:
        for step in (10, 20, 30):
            bar.show(step / 40, f"step {step}, loss 0.300")
    first, last = stream.getvalue().splitlines()
    assert first == "context level 1: 25 % in 0:00:00, step 10, loss 0.300"
    assert last == "context level 1: 75 % in 0:00:00, step 30, loss 0.300"
