"""What holds for all tests."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.inference.runtime.telemetry import forbid_telemetry
from tests.helpers.golden import Golden, compare_with_golden
from tests.helpers.repository import ROOT

DEAR = ("exported", "finished_run")
"""Fixtures of a session that take many seconds to make; whatever needs one is slow."""
LEFT_OUT = pytest.StashKey[dict[str, int]]()
"""How many slow tests of each folder were left out."""

forbid_telemetry()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[LEFT_OUT] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Keep the tests of a file in one process, and those of what takes long to make in the process that makes it."""
    for item in items:
        dear = next((name for name in DEAR if name in getattr(item, "fixturenames", ())), None)
        if dear is not None:
            item.add_marker(pytest.mark.slow)
        if "golden" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.golden)
        item.add_marker(pytest.mark.xdist_group(dear or str(item.path)))


@pytest.fixture
def golden() -> Golden:
    return compare_with_golden


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    slow = [item for item in items if item.get_closest_marker("slow") is not None]
    if slow:
        slow[0].config.stash[LEFT_OUT].update(Counter(str(folder_of(item.path)) for item in slow))


def folder_of(path: Path) -> Path:
    """The folder of tests, at most two below `tests`."""
    return Path(*path.relative_to(ROOT).parts[:3][: len(path.relative_to(ROOT).parts) - 1])


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = session.config.stash[LEFT_OUT]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each process of pytest-xdist collects, and leaves out, the same tests."""
    node.config.stash[LEFT_OUT].update(getattr(node, "workeroutput", {}).get("left_out", {}))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    left_out = config.stash[LEFT_OUT]
    if left_out and "not slow" in config.option.markexpr:
        folders = ", ".join(f"{folder} {number}" for folder, number in sorted(left_out.items()))
        terminalreporter.section("left out")
        terminalreporter.line(f"{sum(left_out.values())} slow tests: {folders}")
        terminalreporter.line('These alone: make test PYTEST_ARGS="-m slow". All tests: make test.')
