import csv
import io
import re
import statistics
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import httpx
import pytest

from app.imaging.growth import expected_head_volume_ml
from app.imaging.quality import age_z
from tests.helpers.makers import sphere_volume, volume_bytes
from tests.helpers.service import assert_problem, post

TABLE = {"Accept": "text/csv"}


@pytest.fixture(scope="module")
def measured(shared_client: httpx.Client) -> list[float]:
    """Three volumes of subject A at 25 weeks, one of Z at 27 weeks, measured in this order."""
    requests = [(38.0, "A", "25.1"), (38.4, "A", "25.1"), (38.8, "A", "25.1"), (41.0, "Z", "27.9")]
    answers = [
        post(shared_client, volume_bytes(sphere_volume(radius)), subject=subject, gestational_age_weeks=weeks)
        for radius, subject, weeks in requests
    ]
    return [float(answer.json()["head_volume_ml"]) for answer in answers]


class TestItems:
    def test_of_nothing(self, client: httpx.Client) -> None:
        body = client.get("/volume").json()
        assert (body["items"], body["next"], body["summary"]["count"]) == ([], None, 0)
        assert body["summary"]["mean_ml"] is None

    def test_newest_first_with_a_link_to_each(self, shared_client: httpx.Client, measured: list[float]) -> None:
        items = shared_client.get("/volume").json()["items"]
        assert [item["head_volume_ml"] for item in items] == measured[::-1]
        assert shared_client.get(items[0]["href"]).json()["id"] == items[0]["id"]

    def test_a_search_finds_a_part_of_a_pseudonym_or_the_beginning_of_an_identifier(
        self, shared_client: httpx.Client, measured: list[float]
    ) -> None:
        def found(text: str) -> list[float]:
            items = shared_client.get("/volume", params={"search": text}).json()["items"]
            return [item["head_volume_ml"] for item in items]

        newest = shared_client.get("/volume").json()["items"][0]
        assert found("z") == found(newest["id"][:13].upper()) == measured[3:]
        assert found("%") == found("_") == []

    def test_pages_follow_the_cursor(self, shared_client: httpx.Client, measured: list[float]) -> None:
        found, cursor = [], None
        while True:
            query = {"limit": "3"} | ({} if cursor is None else {"cursor": cursor})
            page = shared_client.get("/volume", params=query).json()
            found += [item["head_volume_ml"] for item in page["items"]]
            if (cursor := page["next"]) is None:
                break
        assert found == measured[::-1]

    def test_filters(self, shared_client: httpx.Client, measured: list[float]) -> None:
        def count(**query: str) -> int:
            return int(shared_client.get("/volume", params=query).json()["summary"]["count"])

        assert count(subject="A") == 3
        assert count(subject="nobody") == 0
        assert count(verdict="reject") == 0
        assert count(model_version="1") == 4
        assert count(since="2020-01-01") == 4
        assert count(until="2020-01-01T00:00:00Z") == 0

    def test_a_zone_counts_and_a_plus_may_come_as_a_blank(
        self, shared_client: httpx.Client, measured: list[float]
    ) -> None:
        def count(query: str) -> int:
            return int(shared_client.get(f"/volume?{query}").json()["summary"]["count"])

        newest = datetime.fromisoformat(shared_client.get("/volume").json()["items"][0]["created_at"])
        ahead = timezone(timedelta(hours=2))
        later = (newest + timedelta(seconds=1)).astimezone(ahead).isoformat()
        assert later.endswith("+02:00")
        assert count(f"until={later}") == count(f"until={later.replace('+', '%2B')}") == 4
        assert count(f"since={later}") == count(f"since={later.replace('+', '%2B')}") == 0


class TestSummary:
    def test_it_is_of_everything_not_of_the_page(self, shared_client: httpx.Client, measured: list[float]) -> None:
        summary = shared_client.get("/volume", params={"limit": 1}).json()["summary"]
        assert summary["count"] == 4
        assert summary["mean_ml"] == round(statistics.mean(measured), 3)
        assert summary["sd_ml"] == round(statistics.stdev(measured), 3)
        assert (summary["min_ml"], summary["max_ml"]) == (min(measured), max(measured))

    def test_by_gestational_week(self, shared_client: httpx.Client, measured: list[float]) -> None:
        weeks = shared_client.get("/volume").json()["summary"]["by_gestational_week"]
        assert [(week["week"], week["count"]) for week in weeks] == [(25, 3), (27, 1)]

    def test_reproducibility_of_measured_of_one_day(self, shared_client: httpx.Client, measured: list[float]) -> None:
        summary = shared_client.get("/volume").json()["summary"]
        assert summary["reproducibility_groups"] == 1
        assert summary["reproducibility_sd_ml"] == round(statistics.stdev(measured[:3]), 3)

    def test_a_subject_gets_its_series(self, shared_client: httpx.Client, measured: list[float]) -> None:
        summary = shared_client.get("/volume", params={"subject": "A"}).json()["summary"]
        (day,) = summary["series"]
        assert (day["count"], day["gestational_age_weeks"]) == (3, 25.1)
        assert day["sd_ml"] == round(statistics.stdev(measured[:3]), 3)

    def test_a_subject_gets_its_scans_and_how_far_they_differ(
        self, shared_client: httpx.Client, measured: list[float]
    ) -> None:
        body = shared_client.get("/volume", params={"subject": "A"}).json()
        scans, repeats = body["summary"]["scans"], body["summary"]["repeats"]
        assert [scan["head_volume_ml"] for scan in scans] == measured[:3]
        assert {scan["day"] for scan in scans} == {body["items"][0]["created_at"][:10]}
        pairs = list(pairwise(scans))[::-1]
        assert [(pair["earlier"], pair["later"]) for pair in repeats["pairs"]] == [(a["id"], b["id"]) for a, b in pairs]
        assert [pair["difference_ml"] for pair in repeats["pairs"]] == [
            round(b["head_volume_ml"] - a["head_volume_ml"], 3) for a, b in pairs
        ]
        assert (repeats["count"], repeats["limits_of_agreement_ml"]) == (2, None)

    def test_repeats_of_all_subjects_are_given_where_they_are_asked_for(
        self, shared_client: httpx.Client, measured: list[float]
    ) -> None:
        summary = shared_client.get("/volume", params={"limit": 1}).json()["summary"]
        assert (summary["series"], summary["scans"], summary["repeats"]) == (None, None, None)
        summary = shared_client.get("/volume", params={"limit": 1, "repeats": True}).json()["summary"]
        assert (summary["repeats"]["count"], summary["scans"]) == (2, None)


class TestTable:
    def test_it_has_a_row_for_each(self, shared_client: httpx.Client, measured: list[float]) -> None:
        answer = shared_client.get("/volume", headers={"Accept": "text/csv"})
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [float(row["head_volume_ml"]) for row in rows] == measured[::-1]
        assert [row["subject"] for row in rows] == ["Z", "A", "A", "A"]
        items = shared_client.get("/volume").json()["items"]
        assert [row["created_at"] for row in rows] == [item["created_at"] for item in items]

    def test_it_has_as_many_rows_as_are_asked_for(self, shared_client: httpx.Client, measured: list[float]) -> None:
        page = shared_client.get("/volume", params={"limit": 1}).json()
        found = [
            list(csv.DictReader(io.StringIO(shared_client.get("/volume", params=query, headers=TABLE).text)))
            for query in ({"limit": 2}, {"cursor": page["next"]}, {"cursor": page["next"], "limit": 2})
        ]
        volumes = [[float(row["head_volume_ml"]) for row in rows] for rows in found]
        newest_first = measured[::-1]
        assert volumes == [newest_first[:2], newest_first[1:], newest_first[1:3]]


class TestRefusals:
    @pytest.mark.parametrize(
        "query",
        [
            {"limit": "0"},
            {"limit": "1001"},
            {"limit": "many"},
            {"cursor": "nonsense"},
            {"cursor": "YmVmb3JlIC0x"},
            {"verdict": "good"},
            {"since": "yesterday"},
            {"since": "2026"},
            {"since": "1767225600"},
            {"since": "2026-02-30"},
            {"since": "2026-01-01T25:00"},
            {"since": "0001-01-01T00:00:00+14:00"},
            {"until": "9999-12-31T23:59:59-14:00"},
            {"subject": "Jane Doe"},
            {"model_version": "0"},
            {"colour": "red"},
        ],
    )
    def test_a_parameter_that_cannot_be_used(self, shared_client: httpx.Client, query: dict[str, str]) -> None:
        for accept in ("application/json", "text/csv"):
            answer = shared_client.get("/volume", params=query, headers={"Accept": accept})
            body = assert_problem(answer, 422, "invalid_parameter")
            assert next(iter(query)) in body["detail"]
            assert "Jane" not in answer.text
            assert not re.search("Value error|Extra inputs|Input should|timestamp", answer.text)

    def test_a_moment_that_is_none_gets_an_example(self, shared_client: httpx.Client) -> None:
        assert "2026-03-01T09:30:00Z" in shared_client.get("/volume", params={"since": "2026"}).json()["expected"]

    def test_a_type_that_cannot_be_made(self, shared_client: httpx.Client) -> None:
        assert_problem(shared_client.get("/volume", headers={"Accept": "application/xml"}), 406, "not_acceptable")


def test_the_growth_band_widens_around_the_derived_mean_and_says_what_it_is(shared_client: httpx.Client) -> None:
    band = shared_client.get("/growth").json()
    assert "not a reference chart" in band["label"]
    at_26 = next(point for point in band["points"] if point["gestational_age_weeks"] == 26.0)
    assert at_26["mean_ml"] == pytest.approx(expected_head_volume_ml(26.0), abs=0.1)
    for point in band["points"]:
        assert age_z(point["high_ml"], point["gestational_age_weeks"], 0.06) == pytest.approx(band["z"], abs=0.02)
        assert age_z(point["low_ml"], point["gestational_age_weeks"], 0.06) == pytest.approx(-band["z"], abs=0.02)
