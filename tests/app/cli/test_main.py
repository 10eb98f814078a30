import argparse
import json
from collections.abc import Iterator

import pytest

from app.cli.commands import make_parser
from app.cli.main import main
from app.console import (
    USAGE,
)


@pytest.mark.parametrize("arguments", [[], ["dance"], ["segment"], ["models"]])
def test_wrong_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == USAGE
    assert "usage: fetalhead" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["models", "list", "--json", "--fast"], ["audit", "--json"], ["models", "activate", "two", "--json"]]
)
def test_wrong_arguments_for_machines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == USAGE
    assert json.loads(capsys.readouterr().err)["exit_code"] == USAGE


def test_every_command_that_prints_a_result_takes_json() -> None:
    without = [" ".join(path) for path, command in leaves(make_parser()) if "--json" not in command.format_help()]
    assert without == ["serve", "openapi", "completion"]


def leaves(parser: argparse.ArgumentParser, *path: str) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not groups:
        yield path, parser
    for group in groups:
        for name, command in group.choices.items():
            yield from leaves(command, *path, name)
