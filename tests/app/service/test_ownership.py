"""Two services on one database, each with a data folder of its own: the second does not start."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.console import USAGE
from app.records.lock import DatabaseLock
from tests.app.records.postgres import Postgres, running_postgres
from tests.helpers.service import assert_problem, post, running_service, until
from tests.helpers.service_process import SERVE, ServiceProcess


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.sqlite'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create("shared")


def test_the_second_is_refused_and_the_first_ones_work_goes_on(
    url: str, tmp_path: Path, model_store: Path, sphere: bytes
) -> None:
    with running_service(tmp_path / "first", model_store, database_url=url) as first:
        with first.busy():
            waiting = post(first.client, sphere, {"Prefer": "respond-async"}).headers["location"]
            second = ServiceProcess(tmp_path, {"DATABASE_URL": url, "DATA_DIR": str(tmp_path / "second")})
            refused = subprocess.run(
                [sys.executable, "-c", SERVE],
                check=False,
                env=second.environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
            )
            assert refused.returncode == USAGE
            assert "in use by another service" in refused.stderr
            assert "Traceback" not in refused.stderr
            assert first.client.get(waiting).json()["status"] == "queued"
        until(lambda: first.client.get(waiting).json()["status"] == "completed")


def test_a_lock_lost_to_another_service_ends_the_readiness(
    postgres: Postgres, tmp_path: Path, model_store: Path, sphere: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    url = postgres.create("lost")
    with running_service(tmp_path, model_store, database_url=url) as service:
        client = service.client
        postgres.stop()
        postgres.start()
        with closing(DatabaseLock(url)):
            until(lambda: client.get("/health/ready").status_code == 503)
            body = assert_problem(post(client, sphere), 503, "database_unavailable")
            assert "Another service" in body["detail"]
        assert client.get("/health/ready").status_code == 200
        assert post(client, sphere).status_code == 200
    told = [record.message for record in caplog.records if record.name == "fetalhead.records"]
    assert told == ["lock of the database lost: no volumes are taken", "lock of the database taken again"]
