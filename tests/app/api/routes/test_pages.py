import re

import httpx
import pytest

from app.problems.catalogue import PROBLEMS
from tests.helpers.service import assert_problem

PAGES = ["/", "/docs", "/problems", "/problems/key_reused"]


@pytest.mark.parametrize("path", PAGES)
class TestPages:
    def test_it_needs_no_other_host(self, shared_client: httpx.Client, path: str) -> None:
        answer = shared_client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/html")
        assert "//" not in re.sub(r"<!--.*?-->", "", answer.text.replace("<!doctype html>", ""))
        for link in re.findall(r"(?:src|href)=[\"'](/[^\"']*)", answer.text):
            assert shared_client.get(link).status_code == 200, link

    def test_its_policy_allows_no_other_host(self, shared_client: httpx.Client, path: str) -> None:
        policy = shared_client.get(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
        assert "script-src 'self'" in policy


def test_the_interface_description_is_served(shared_client: httpx.Client) -> None:
    document = shared_client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")


@pytest.mark.parametrize("code", PROBLEMS)
def test_each_problem_has_its_page(shared_client: httpx.Client, code: str) -> None:
    answer = shared_client.get(f"/problems/{code}")
    assert answer.status_code == 200
    assert PROBLEMS[code].title in answer.text


def test_an_unknown_problem_has_none(shared_client: httpx.Client) -> None:
    assert_problem(shared_client.get("/problems/nonsense"), 404, "not_found")


class TestEveryAnswer:
    @pytest.mark.parametrize("path", ["/", "/volume", "/metrics", "/health/live", "/nothing", "/static/page.css"])
    def test_it_carries_the_headers_that_harden_it(self, shared_client: httpx.Client, path: str) -> None:
        headers = shared_client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"
        assert "content-security-policy" in headers
        assert "server" not in headers

    def test_an_unknown_path(self, shared_client: httpx.Client) -> None:
        assert_problem(shared_client.get("/nothing"), 404, "not_found")

    def test_a_wrong_method(self, shared_client: httpx.Client) -> None:
        answer = shared_client.put("/segment")
        assert_problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "POST"
