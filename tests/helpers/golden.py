"""Reports as they read, one golden file each: wording is compared in one place, and renewed by `make golden`."""

import os
from collections.abc import Callable

from tests.helpers.repository import ROOT

FOLDER = ROOT / "tests" / "golden"
Golden = Callable[[str, str], None]
"""Compares a text with the golden file of a name; the fixture `golden`."""


def compare_with_golden(text: str, name: str) -> None:
    """Compare a text with `tests/golden/NAME`, or make it that file where RENEW_GOLDEN=1."""
    path = FOLDER / name
    text = text.rstrip("\n") + "\n"
    if os.environ.get("RENEW_GOLDEN") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    assert text == known, f"{name} reads otherwise; if that is wanted, run `make golden`"
