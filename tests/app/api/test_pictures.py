import sys
from xml.etree import ElementTree

import httpx
import pytest

from tests.app.api.service import Service, assert_problem, post
from tests.makers import sphere_volume, volume_bytes


def test_the_report_of_a_measurement(service: Service, sphere: bytes) -> None:
    measured = post(service.client, sphere, subject="S-1").json()
    answer = service.client.get(f"/segmentations/{measured['id']}/report.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")
    assert measured["id"] in answer.headers["content-disposition"]


def test_no_report_without_a_measurement(shared_client: httpx.Client) -> None:
    answer = shared_client.get("/segmentations/00000000-0000-0000-0000-000000000000/report.pdf")
    assert_problem(answer, 404, "unknown_segmentation")


@pytest.mark.parametrize(
    ("chart", "before", "after"),
    [("growth", "Head volumes of S-1", "measured"), ("repeatability", "0 pairs", "1 pair of one subject")],
)
def test_charts_of_what_was_measured(service: Service, sphere: bytes, chart: str, before: str, after: str) -> None:
    path = f"/volume/{chart}.svg"
    empty = service.client.get(path, params={"subject": "S-1"})
    for content in (sphere, volume_bytes(sphere_volume(38.0))):
        post(service.client, content, subject="S-1", gestational_age_weeks="24")
    full = service.client.get(path, params={"subject": "S-1"})
    other = service.client.get(path, params={"subject": "S-2", "theme": "dark"})
    for answer in (empty, full, other):
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
        assert "unsafe-inline" in answer.headers["content-security-policy"]
        assert "script-src" not in answer.headers["content-security-policy"]
    assert before in said(empty)
    assert after not in said(empty)
    assert after in said(full)
    assert after not in said(other)


def said(answer: httpx.Response) -> str:
    """Title and description, and the comments in which the chart's words stand beside their drawing."""
    root = ElementTree.fromstring(answer.content)
    return " ".join(root.itertext()) + answer.text


def test_a_subject_that_is_no_pseudonym(shared_client: httpx.Client) -> None:
    answer = shared_client.get("/volume/growth.svg", params={"subject": "<script>"})
    assert_problem(answer, 422, "invalid_parameter")


def test_without_the_extra_it_says_what_to_install(
    shared_client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)  # what the import system takes for "not importable"
    for path in ("/volume/growth.svg", "/segmentations/00000000-0000-0000-0000-000000000000/report.pdf"):
        problem = assert_problem(shared_client.get(path), 501, "report_not_installed")
        assert "fetalhead[report]" in problem["remedy"]
