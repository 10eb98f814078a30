"""What holds for every page of the documentation site; `test_reading.py` does what they say."""

import json
import re
import tomllib
from collections.abc import Iterator

from tests.docs.pages import DATA, DOCS, RUN, Block, blocks, pages
from tests.docs.reader import SERVE
from tests.helpers.repository import ROOT

HISTORY = ("adr/", "results/")
"""Pages that tell what was: what they name may be gone."""
MADE = ("docker/secrets", "docs/results/DATE")
"""What commands make, not the repository."""
COMMANDS = ("fetalhead", "fetalhead-train", "make", "docker", "curl", "python", "pip", "npm")


def test_every_block_names_its_language() -> None:
    assert [where for where, block in all_blocks() if block.language not in RUN + DATA] == []


def test_what_is_not_run_says_why() -> None:
    reasons = [(where, block) for where, block in all_blocks() if block.reason is not None]
    assert [where for where, block in reasons if len((block.reason or "").split()) <= 3] == []
    assert [where for where, block in reasons if block.language not in RUN] == []


def test_text_hides_no_command() -> None:
    commands = tuple(f"{name} " for name in COMMANDS)
    texts = [(where, block.text.lstrip()) for where, block in all_blocks() if block.language == "text"]
    assert [where for where, text in texts if text.startswith(commands)] == []


def test_data_can_be_read() -> None:
    assert [where for where, block in all_blocks() if not readable(block)] == []


def test_most_blocks_are_run() -> None:
    commands = [block for page in pages() for block in blocks(page) if block.language in RUN]
    assert any(block.text.strip() == SERVE for block in commands)
    assert sum(block.reason is None for block in commands) > len(commands) / 2


def test_every_page_is_on_the_menu_and_every_result_is_linked() -> None:
    found = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    results = {page for page in found if page.startswith("results/")}
    assert found - results - set(pages()) == set(), "name them in the menu of mkdocs.yml"
    linked = set(re.findall(r"\]\((results/[^)]+)\)", (DOCS / "comparison.md").read_text(encoding="utf-8")))
    assert results - linked - set(pages()) == set(), "link them from docs/comparison.md"


def test_the_files_they_name_exist() -> None:
    missing = []
    for page in pages():
        if not page.startswith(HISTORY):
            text = (DOCS / page).read_text(encoding="utf-8")
            named = set(re.findall(r"`((?:app|benchmarks|docker|docs|scripts|tests|training)/[\w./-]+)[`:]", text))
            there = (name for name in named if not name.startswith(MADE))
            missing += [f"{page}: {name}" for name in there if not (ROOT / name).exists()]
    assert sorted(missing) == []


def test_every_flag_is_explained() -> None:
    page = (DOCS / "explanation" / "limits.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", page.partition("| flag |")[2], re.MULTILINE))
    words = (ROOT / "app" / "viewer" / "source" / "src" / "words.ts").read_text(encoding="utf-8")
    titles = re.search(r"const FLAGS:[^{]*\{(.*?)^\}", words, re.MULTILINE | re.DOTALL)
    assert titles is not None
    assert explained == set(re.findall(r"^  ([a-z_]+):", titles[1], re.MULTILINE))


def all_blocks() -> Iterator[tuple[str, Block]]:
    """Every block of every page, with the place where it stands."""
    return ((f"{page}:{block.line}", block) for page in pages() for block in blocks(page))


def readable(block: Block) -> bool:
    try:
        if block.language == "json":
            json.loads(block.text)
        if block.language == "toml":
            tomllib.loads(block.text)
    except ValueError:
        return False
    return True
