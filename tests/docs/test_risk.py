"""docs/risk.md: every control is proven by tests that exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(r"^\| (R\d+) .*$", (ROOT / "docs/risk.md").read_text(encoding="utf-8"), re.MULTILINE)
LINES = [line for line in (ROOT / "docs/risk.md").read_text(encoding="utf-8").splitlines() if line.startswith("| R")]
NAMED = sorted({name for line in LINES for name in re.findall(r"`(tests/[\w/]+\.py::\w+)`", line)})


def test_hazards_are_numbered_without_gaps() -> None:
    assert [f"R{number}" for number in range(1, len(ROWS) + 1)] == ROWS


@pytest.mark.parametrize("line", LINES, ids=ROWS)
def test_each_hazard_has_all_columns_and_a_test(line: str) -> None:
    hazard, how, severity, controls, tests, left = (cell.strip() for cell in line.strip("|").split("|"))
    assert all((hazard, how, controls, left))
    assert severity in {"high", "medium", "low"}
    assert "::" in tests


@pytest.mark.parametrize("name", NAMED)
def test_the_tests_it_names_exist(name: str) -> None:
    file, _, function = name.partition("::")
    assert re.search(rf"^\s*(def|class) {function}\b", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name
