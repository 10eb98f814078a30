"""The service below the path of a proxy, and with a slash too many."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.service import Service, running_service

BELOW = {"X-Forwarded-Prefix": "/fetal"}
LINK = re.compile(r"""(?:src|href)=["'](/[^"']*)["']""")


@pytest.fixture(scope="module")
def below(tmp_path_factory: pytest.TempPathFactory, model_store: Path) -> Iterator[Service]:
    with running_service(tmp_path_factory.mktemp("below"), model_store, root_path="/ward/3") as service:
        yield service


@pytest.mark.parametrize("path", ["/", "/docs", "/problems", "/problems/not_nifti"])
@pytest.mark.parametrize("header", ["/fetal", "/other, /fetal/"])
def test_pages_link_to_nothing_beside_the_prefix(shared_client: httpx.Client, path: str, header: str) -> None:
    links = LINK.findall(shared_client.get(path, headers={"X-Forwarded-Prefix": header}).text)
    assert [link for link in links if not link.startswith("/fetal/")] == []


@pytest.mark.parametrize("path", ["/", "/docs", "/docs/", "/docs//", "/problems/not_nifti/"])
@pytest.mark.parametrize("prefix", ["", "/fetal"])
def test_what_a_page_links_to_is_there(shared_client: httpx.Client, path: str, prefix: str) -> None:
    headers = {"X-Forwarded-Prefix": prefix}
    page = shared_client.get(prefix + path, headers=headers, follow_redirects=True)
    assert page.status_code == 200
    links = re.findall(r"""(?:src|href)=["']([^"'#:{]+)["']""", page.text)
    assert links
    found = {link: shared_client.get(str(page.url.join(link)), headers=headers).status_code for link in links}
    assert found == dict.fromkeys(links, 200)


def test_links_of_answers_lie_below_the_prefix(shared_client: httpx.Client, sphere: bytes) -> None:
    answer = shared_client.post("/segment", files={"volume": sphere}, headers=BELOW)
    assert answer.headers["Location"] == f"/fetal/segmentations/{answer.json()['id']}"
    assert answer.json()["mask"] == f"{answer.headers['Location']}/mask"
    stored = shared_client.get(f"/segmentations/{answer.json()['id']}")
    assert stored.json()["mask"] == f"/segmentations/{answer.json()['id']}/mask"
    listed = shared_client.get("/volume", headers=BELOW).json()["items"]
    assert all(item["href"].startswith("/fetal/segmentations/") for item in listed)
    assert shared_client.get("/models", headers=BELOW).json()["models"][0]["href"].startswith("/fetal/models/")
    assert shared_client.get("/nowhere", headers=BELOW).json()["type"] == "/fetal/problems/not_found"


@pytest.mark.parametrize("named", ["//evil.example", "https://evil.example", '/a"><script>', "fetal", "/a b", ""])
def test_a_prefix_that_is_no_plain_path_is_ignored(shared_client: httpx.Client, named: str) -> None:
    answer = shared_client.get("/nowhere", headers={"X-Forwarded-Prefix": named})
    assert answer.json()["type"] == "/problems/not_found"


@pytest.mark.parametrize("prefix", ["", "/ward/3"])
def test_a_prefix_that_is_set_may_be_cut_off_by_the_proxy_or_not(below: Service, prefix: str, sphere: bytes) -> None:
    answer = below.client.post(f"{prefix}/segment", files={"volume": sphere}, headers=BELOW)
    assert answer.headers["Location"] == f"/ward/3/segmentations/{answer.json()['id']}"
    assert below.client.get(f"{prefix}/static/page.css").status_code == 200
    assert below.client.get(f"{prefix}/openapi.json").json()["servers"] == [{"url": "/ward/3"}]


def test_a_slash_too_many_changes_nothing(shared_client: httpx.Client, sphere: bytes) -> None:
    answer = shared_client.post("/segment/", files={"volume": sphere})
    assert answer.status_code == 200
    assert shared_client.get(f"/segmentations/{answer.json()['id']}/").json() == answer.json()
    assert shared_client.get("/health/live/").status_code == 200


def test_the_openapi_document_does_not_keep_what_one_caller_named(shared_client: httpx.Client) -> None:
    assert shared_client.get("/openapi.json", headers=BELOW).json()["servers"] == [{"url": "/fetal"}]
    assert "servers" not in shared_client.get("/openapi.json").json()


def test_a_request_keeps_its_identifier(shared_client: httpx.Client) -> None:
    def answered(given: str) -> str:
        return shared_client.get("/models", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert answered("ward-3.17") == "ward-3.17"
    made = {answered(given) for given in ("", "a b", "x" * 200)}
    assert len(made) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", identifier) for identifier in made)


def test_the_page_is_whole_where_the_slash_behind_the_prefix_is_missing(shared_client: httpx.Client) -> None:
    page = shared_client.get("/fetal", headers=BELOW)
    base = re.search(r"""<base href=["'](/[^"']*)["']""", page.text)
    assert base is not None
    assert base[1] == "/fetal/"
    assert "base-uri 'self'" in page.headers["Content-Security-Policy"]
    assert "<base" not in shared_client.get("/").text


@pytest.mark.parametrize("path", ["/static/nothing", "/docs/assets/nothing", "/nothing"])
def test_a_problem_is_explained_at_the_same_address_everywhere(shared_client: httpx.Client, path: str) -> None:
    assert shared_client.get(path).json()["type"] == "/problems/not_found"
    assert shared_client.get(path, headers=BELOW).json()["type"] == "/fetal/problems/not_found"
