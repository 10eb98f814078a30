"""docs/risk.md: every control is proven by tests that exist."""

import re

from tests.helpers.repository import ROOT

ROWS = re.findall(r"^\| (R\d+) .*$", (ROOT / "docs/risk.md").read_text(encoding="utf-8"), re.MULTILINE)
LINES = [line for line in (ROOT / "docs/risk.md").read_text(encoding="utf-8").splitlines() if line.startswith("| R")]
NAMED = sorted({name for line in LINES for name in re.findall(r"`(tests/[\w/]+\.py::\w+)`", line)})


def test_hazards_are_numbered_without_gaps() -> None:
    assert [f"R{number}" for number in range(1, len(ROWS) + 1)] == ROWS


def test_each_hazard_has_all_columns_and_a_test() -> None:
    for line in LINES:
        hazard, how, severity, controls, tests, left = (cell.strip() for cell in line.strip("|").split("|"))
        assert all((hazard, how, controls, left)), line
        assert severity in {"high", "medium", "low"}, line
        assert "::" in tests, line


def test_the_tests_it_names_exist() -> None:
    assert NAMED
    assert [name for name in NAMED if not defined(name)] == []


def defined(name: str) -> bool:
    file, _, function = name.partition("::")
    path = ROOT / file
    return path.is_file() and bool(re.search(rf"^\s*(def|class) {function}\b", path.read_text("utf-8"), re.MULTILINE))
