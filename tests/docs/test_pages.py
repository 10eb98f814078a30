"""Every block of code on the documentation site is run, or says on its page why it is not."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import DATA, DOCS, ROOT, RUN, blocks, pages
from tests.docs.reader import SERVE, Reader, Service

HISTORY = ("adr/", "results/")
"""Pages that tell what was: what they name may be gone."""
MADE = ("docker/secrets", "docs/results/DATE")
"""What commands make, not the repository."""
COMMANDS = ("fetalhead", "fetalhead-train", "make", "docker", "curl", "python", "pip", "npm")


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.mark.parametrize("page", [page for page in pages() if any(b.language in RUN for b in blocks(page))])
def test_a_reader_can_follow(page: str, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Reader(tmp_path, service) as reader:
        for block in blocks(page):
            if block.language in RUN and block.reason is None:
                reader.follow(block)


@pytest.mark.parametrize("page", pages())
def test_every_block_names_its_language(page: str) -> None:
    assert [block for block in blocks(page) if block.language not in RUN + DATA] == []


@pytest.mark.parametrize("page", pages())
def test_what_is_not_run_says_why(page: str) -> None:
    reasons = [block.reason for block in blocks(page) if block.reason is not None]
    assert all(len(reason.split()) > 3 for reason in reasons)
    assert all(block.language in RUN for block in blocks(page) if block.reason is not None)


@pytest.mark.parametrize("page", pages())
def test_text_hides_no_command(page: str) -> None:
    for block in blocks(page):
        if block.language == "text":
            assert not block.text.lstrip().startswith(tuple(f"{name} " for name in COMMANDS)), block


@pytest.mark.parametrize("page", pages())
def test_data_can_be_read(page: str) -> None:
    for block in blocks(page):
        if block.language == "json":
            json.loads(block.text)
        if block.language == "toml":
            tomllib.loads(block.text)


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


@pytest.mark.parametrize("page", [page for page in pages() if not page.startswith(HISTORY)])
def test_the_files_it_names_exist(page: str) -> None:
    text = (DOCS / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:app|benchmarks|docker|docs|scripts|tests|training)/[\w./-]+)[`:]", text))
    assert sorted(name for name in named if not name.startswith(MADE) and not (ROOT / name).exists()) == []


def test_every_flag_is_explained() -> None:
    page = (DOCS / "explanation" / "limits.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z_]+)` \|", page.partition("| flag |")[2], re.MULTILINE))
    words = (ROOT / "app" / "viewer" / "source" / "src" / "words.ts").read_text(encoding="utf-8")
    titles = re.search(r"const FLAGS:[^{]*\{(.*?)^\}", words, re.MULTILINE | re.DOTALL)
    assert titles is not None
    assert explained == set(re.findall(r"^  ([a-z_]+):", titles[1], re.MULTILINE))
