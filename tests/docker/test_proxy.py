"""The proxy's configuration, in a real nginx before a real service."""

import re
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.access.keys import KeyFile
from app.access.roles import Role
from app.contract.service import Problem
from app.problems.problem import ProblemError
from tests.helpers.certificates import self_signed
from tests.helpers.makers import publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.repository import ROOT
from tests.helpers.service import Service, assert_problem, post, running_service, until
from tests.helpers.system_packages import require

SPHERE = volume_bytes(sphere_volume())
STATED = {"rate=600r/m": "rate=6r/m", "burst=600 nodelay": "burst=2 nodelay"}
"""Limits that a test can wait for in place of those that hold."""


@pytest.fixture
def configuration(tmp_path: Path) -> str:
    """The configuration, with this machine's paths in place of the container's."""
    certificate, key = self_signed(tmp_path)
    places = {
        "/tmp/": f"{tmp_path}/",  # first: the folders of tests lie there too
        "/run/secrets/tls_certificate": str(certificate),
        "/run/secrets/tls_key": str(key),
    }
    return with_changes((ROOT / "docker/nginx/nginx.conf").read_text(encoding="utf-8"), places)


def with_changes(text: str, changes: dict[str, str]) -> str:
    for stated, wanted in changes.items():
        assert stated in text, stated
        text = text.replace(stated, wanted)
    return text


def test_nginx_takes_it(configuration: str, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text(configuration)
    command = [require("nginx", package="nginx-light"), "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "test is successful" in result.stderr, result.stderr


@contextmanager
def running_proxy(configuration: str, service: Service, folder: Path) -> Iterator[httpx.Client]:
    """A client of the service by way of the proxy, which logs into a file of the folder."""
    port = free_port()
    upstream = service.client.base_url.netloc.decode()
    changes = {"listen 8443 ssl": f"listen 127.0.0.1:{port} ssl", "service:8000": upstream}
    (folder / "nginx.conf").write_text(with_changes(configuration, changes))
    command = [require("nginx", package="nginx-light"), "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen([*command, "-g", "daemon off;"], stdout=log, stderr=log) as nginx,
        httpx.Client(
            base_url=f"https://127.0.0.1:{port}", verify=ssl.create_default_context(cafile=str(folder / "tls.crt"))
        ) as client,
    ):
        try:
            until(lambda: answers(client) or nginx.poll() is not None)
            yield client
        finally:
            nginx.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health/live").status_code < 500
    except httpx.TransportError:
        return False


def test_a_caller_that_asks_too_often_is_told_when_to_come_back(configuration: str, tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    file = KeyFile(tmp_path / "keys")
    first, second = (file.add(name, Role.READER) for name in ("a", "b"))
    with (
        running_service(tmp_path / "data", tmp_path / "models", api_keys_file=file.path) as service,
        running_proxy(with_changes(configuration, STATED), service, tmp_path) as client,
    ):
        wanted = [{"Authorization": f"Bearer {first}"}, {"Authorization": f"bearer  {first}"}, {"X-API-Key": first}]
        for headers in wanted:
            assert client.get("/volume", headers=headers).status_code == 200
        refused = client.get("/volume?subject=S-17", headers={"X-API-Key": first, "Authorization": "Basic x"})
        assert Problem(**assert_problem(refused, 429, "rate_limited")) == ProblemError("rate_limited").problem
        assert int(refused.headers["retry-after"]) == 1
        assert refused.headers["x-content-type-options"] == "nosniff"
        served = client.get("/volume", headers={"X-API-Key": second})
        assert served.status_code == 200
        assert "retry-after" not in served.headers
        assert {client.get("/health/live").status_code for _ in range(5)} == {200}
    log = (tmp_path / "log").read_text()
    assert "GET /volume 429" in log
    assert re.search(r"S-17|127\.0\.0\.1", log) is None


def test_nobody_names_who_is_signed_in_through_it(configuration: str, tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    trusting: dict[str, Any] = {"trusted_user_header": "X-Forwarded-User", "trusted_proxies": "127.0.0.1"}
    with (
        running_service(tmp_path / "data", tmp_path / "models", **trusting) as service,
        running_proxy(configuration, service, tmp_path) as client,
    ):
        assert_problem(client.get("/volume", headers={"X-Forwarded-User": "anna"}), 401, "unauthenticated")


def test_a_person_whom_the_proxy_signed_in_is_known(configuration: str, tmp_path: Path) -> None:
    """With the lines that the documentation gives, and a stand-in for oauth2-proxy."""
    publish_threshold_model(tmp_path / "models")
    trusting: dict[str, Any] = {"trusted_user_header": "X-Forwarded-User", "trusted_proxies": "127.0.0.1"}
    with running_service(tmp_path / "data", tmp_path / "models", **trusting) as service:
        place = f"127.0.0.1:{free_port()}"
        changes = {"oauth2-proxy:4180": place, "fetalhead:8000": "service:8000"}
        (lines,) = re.findall(r"```nginx\n(.*?)```", (ROOT / "docs/how-to/sign-in.md").read_text("utf-8"), re.DOTALL)
        lines = with_changes(lines, changes)
        start, end = configuration.index("        location / {"), configuration.index("        location @rate_limited")
        stand_in = (
            f"server {{ listen {place};\n location / {{ add_header X-Auth-Request-User "
            '$cookie_session; if ($cookie_session = "") { return 401; } return 200; } }\n'
        )
        signing = f"{configuration[:start]}{lines}{configuration[end:]}".replace("server {", f"{stand_in}server {{", 1)
        with running_proxy(signing, service, tmp_path) as client:
            forged = {"X-Forwarded-User": "admin"}
            assert client.get("/volume", headers=forged).status_code == 401
            path = post(client, SPHERE, {"Cookie": "session=anna", **forged}).headers["location"]
            decided = client.post(f"{path}/decision", json={"decision": "accept"}, headers={"Cookie": "session=anna"})
            assert decided.json()["by"] == "anna"


def test_the_wait_that_it_names_is_enough(configuration: str) -> None:
    (per_minute,) = re.findall(r"rate=(\d+)r/m", configuration)
    (seconds,) = re.findall(r"429 (\d+);", configuration)
    assert int(per_minute) * int(seconds) >= 60
