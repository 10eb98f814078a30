import sys

import httpx
import pytest

from tests.helpers.service import Service, assert_problem, post


def test_the_report_of_a_measurement(service: Service, sphere: bytes) -> None:
    measured = post(service.client, sphere, subject="S-1").json()
    answer = service.client.get(f"/segmentations/{measured['id']}/report.pdf")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    assert answer.content.startswith(b"%PDF-")
    assert measured["id"] in answer.headers["content-disposition"]


def test_no_report_without_a_measurement(shared_client: httpx.Client) -> None:
    answer = shared_client.get("/segmentations/00000000-0000-0000-0000-000000000000/report.pdf")
    assert_problem(answer, 404, "unknown_segmentation")


def test_without_the_extra_it_says_what_to_install(
    shared_client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)  # what the import system takes for "not importable"
    answer = shared_client.get("/segmentations/00000000-0000-0000-0000-000000000000/report.pdf")
    problem = assert_problem(answer, 501, "report_not_installed")
    assert "fetalhead[report]" in problem["remedy"]
