"""Erasure, retention and an absent database, as clients and admins meet them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from app.contract.report import MASK
from tests.app.records.postgres import Postgres, running_postgres
from tests.helpers.service import Service, assert_problem, post, running_service, until
from tests.helpers.slow_model import publish_slow_model


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


class TestSubject:
    def test_everything_of_it_is_erased(self, service: Service, sphere: bytes) -> None:
        kept = post(service.client, sphere, subject="S-2").json()
        erased = post(service.client, sphere, subject="S-1").json()
        with service.busy():
            waiting = post(service.client, sphere, {"Prefer": "respond-async"}, subject="S-1").headers["location"]
            answer = service.client.delete("/subjects/S-1")
            assert (answer.status_code, answer.json()) == (200, {"erased": 2})
            assert_problem(service.client.get(waiting), 404, "unknown_segmentation")
        assert_problem(service.client.get(erased["mask"]), 404, "unknown_segmentation")
        assert [item["id"] for item in service.client.get("/volume").json()["items"]] == [kept["id"]]
        assert len(list(service.data.rglob(MASK))) == 1

    def test_one_of_whom_nothing_is_known(self, shared_client: httpx.Client) -> None:
        assert shared_client.delete("/subjects/nobody").json() == {"erased": 0}
        assert_problem(shared_client.delete("/subjects/Jane Doe"), 422, "invalid_parameter")


class TestPostgres:
    def test_it_serves_and_comes_back_after_its_database_was_away(
        self, postgres: Postgres, tmp_path: Path, model_store: Path, sphere: bytes
    ) -> None:
        url = postgres.create("service")
        with running_service(tmp_path, model_store, database_url=url) as service:
            client, key = service.client, {"Idempotency-Key": "k"}
            report = post(client, sphere, key, subject="S-1").json()
            assert client.get("/volume", params={"subject": "S-1"}).json()["summary"]["count"] == 1
            postgres.stop()
            try:
                away = assert_problem(client.get(f"/segmentations/{report['id']}"), 503, "database_unavailable")
                assert "postgres" not in str(away)
                table = client.get("/volume", headers={"Accept": "text/csv"})
                assert_problem(table, 503, "database_unavailable")
                refused = post(client, sphere)
                assert_problem(refused, 503, "database_unavailable")
                assert refused.headers["retry-after"]
                assert client.get("/health/live").status_code == 200
            finally:
                postgres.start()
            assert post(client, sphere, key, subject="S-1").json() == report
            assert post(client, sphere).status_code == 200
            assert client.get("/volume").json()["summary"]["count"] == 2

    def test_a_result_waits_for_a_database_that_comes_back(
        self, postgres: Postgres, tmp_path: Path, sphere: bytes
    ) -> None:
        publish_slow_model(tmp_path / "models", steps=20)
        url = postgres.create("waiting")
        with running_service(tmp_path, tmp_path / "models", database_url=url) as service:
            path = post(service.client, sphere, {"Prefer": "respond-async"}).headers["location"]
            job = service.state.jobs.find(path.rsplit("/", maxsplit=1)[-1])
            assert job is not None
            until(lambda: job.stage == "context_level_1")
            postgres.stop()
            try:
                until(lambda: job.stage == "encode")
                until(lambda: service.client.get("/volume").status_code == 503)
            finally:
                postgres.start()
            until(lambda: service.client.get(path).json()["status"] == "completed")
            assert service.client.get(f"{path}/mask").status_code == 200
