"""Every block of code on the documentation site that does not say why not is run, page by page."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import RUN, blocks, pages
from tests.docs.reader import Reader, Service

pytestmark = pytest.mark.slow


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
