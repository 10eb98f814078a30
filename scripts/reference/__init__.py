"""The reference pages of the documentation, and the tables of other pages, made from the code.

`python -m scripts.reference` writes them, `--check` only says which are out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Final

from scripts.reference import accuracy, commands, http, python, tables

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"

WHOLE_PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "reference/commands.md": commands.page,
    "reference/http.md": http.page,
    "reference/client.md": python.client_page,
    "reference/modules.md": python.modules_page,
}
PAGES_WITH_TABLES: Final[Mapping[str, Callable[[str], str]]] = {
    "errors.md": tables.with_errors,
    "metrics.md": tables.with_metrics,
    "settings.md": tables.with_settings,
    "../README.md": accuracy.with_accuracy,
}


def outdated() -> dict[Path, str]:
    """Return what each page that does not match the code should hold."""
    makers: dict[str, Callable[[], str]] = dict(WHOLE_PAGES)
    for name, renew in PAGES_WITH_TABLES.items():
        makers[name] = partial(renew, _text(DOCS / name))
    made = {(DOCS / name).resolve(): make() for name, make in makers.items()}
    return {path: text for path, text in made.items() if _text(path) != text}


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
