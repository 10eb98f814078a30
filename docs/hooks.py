"""What MkDocs writes into pages from the code itself: a line `{{ commands fetalhead }}` or `{{ http }}` is replaced."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from tempfile import gettempdir
from typing import Any

PARSERS = {"fetalhead": "app.cli.main", "fetalhead-train": "training.cli.main"}
LINE = re.compile(r"^\{\{ (commands|http) ?([a-z-]*) \}\}$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The page with what its placeholders stand for."""
    return LINE.sub(lambda match: "\n".join(_commands(match[2]) if match[1] == "commands" else _http()), markdown)


def _commands(program: str) -> Iterator[str]:
    """Every command of a program with the help that it prints itself, 84 columns wide, as the page is."""
    parser: argparse.ArgumentParser = importlib.import_module(PARSERS[program])._parser()
    parser.prog = program
    for path, command in _leaves(parser, ()):
        command.prog = " ".join([program, *path])
        command.formatter_class = _wide(command.formatter_class)
        yield f"## {command.prog}\n\n```text\n{command.format_help().rstrip()}\n```\n"


def _leaves(
    parser: argparse.ArgumentParser, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    yield path, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield from _leaves(command, (*path, name))


def _wide(kind: Any) -> Any:
    return lambda prog: kind(prog, width=84, max_help_position=28)


def _http() -> Iterator[str]:
    """Every operation of the OpenAPI document: what it takes and what it answers."""
    document = _openapi()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield f"## `{method.upper()} {path}`\n"
            yield f"{operation.get('description') or operation['summary']}\n"
            yield from _parameters(operation)
            yield from _responses(operation)


def _openapi() -> dict[str, Any]:
    from app.main import create_app  # noqa: PLC0415  # seconds that only this page needs
    from app.settings import Settings  # noqa: PLC0415

    document: dict[str, Any] = create_app(Settings(data_dir=Path(gettempdir()))).openapi()
    return document


def _parameters(operation: dict[str, Any]) -> Iterator[str]:
    rows = [(p["name"], p["in"], p.get("description", "")) for p in operation.get("parameters", ())]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        fields = content["schema"].get("properties", {})
        rows += [(name, kind, field.get("description", "")) for name, field in fields.items()]
    if rows:
        yield "| takes | in | |\n|---|---|---|"
        yield "".join(f"| `{name}` | {where} | {_cell(text)} |\n" for name, where, text in rows)


def _responses(operation: dict[str, Any]) -> Iterator[str]:
    yield "| answers | as | |\n|---|---|---|"
    lines = []
    for status, response in sorted(operation["responses"].items()):
        kinds = ", ".join(f"`{kind}`" for kind in response.get("content", {}))
        lines.append(f"| {status} | {kinds} | {_cell(response.get('description', ''))} |\n")
    yield "".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
