"""The pages of the documentation site, and the code on them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from tests.helpers.repository import ROOT

DOCS = ROOT / "docs"
RUN = ("console", "python")
DATA = ("json", "nginx", "text", "toml", "yaml")
FENCE = re.compile(r"^```(\S*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
REASON = re.compile(r"\s*\*Not run by the tests: (?P<reason>[^*]+)\.\*")
PAGE_REASON = re.compile(r"^\*No command on this page is run by the tests: (?P<reason>[^*]+)\.\*$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """One fenced block; `reason` says, on the page itself, why the tests do not run it."""

    language: str
    text: str
    line: int
    reason: str | None


def pages() -> list[str]:
    """Every page of the site, by its path below docs/, in the order of the menu."""
    menu = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    return list(_paths(menu))


def blocks(page: str) -> list[Block]:
    """Every fenced block of a page, in order."""
    text = (DOCS / page).read_text(encoding="utf-8")
    whole_page = PAGE_REASON.search(text)
    found = []
    for match in FENCE.finditer(text):
        reason = REASON.match(text, match.end()) or whole_page
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match[1], match[2], line, reason["reason"] if reason else None))
    return found


def _paths(menu: Any) -> list[str]:
    if isinstance(menu, str):
        return [menu]
    entries = menu if isinstance(menu, list) else menu.values()
    return [path for entry in entries for path in _paths(entry)]
