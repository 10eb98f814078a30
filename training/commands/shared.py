"""What the groups of commands share."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TypeAlias, TypeVar

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"

T = TypeVar("T")


def add_split(command: argparse.ArgumentParser) -> None:
    """Add --split, which parts one's own volumes."""
    words = "of your own volumes: CSV with the columns name,part, or TOML (default: DIR/split.csv, else by patient)"
    command.add_argument("--split", type=Path, help=f"train, validation and test {words}")


def tell(options: argparse.Namespace, text: object, **content: object) -> None:
    """Print what came of a command: for people, or with --json as one object, paths as text."""
    print(json.dumps(content, default=str) if options.json else text, flush=True)


def with_progress(items: Iterable[T], total: int, title: str) -> Iterable[T]:
    """The items, with a bar on standard error."""
    from tqdm import tqdm

    bar: Iterable[T] = tqdm(items, total=total, desc=title)
    return bar
