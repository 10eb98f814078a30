"""Bodies that break off, turn to noise, or belong to nobody any more; the next one is served all the same."""

import gzip
import socket
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.helpers.makers import publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import assert_problem, post
from tests.helpers.service_process import ServiceProcess

pytestmark = pytest.mark.slow

SPHERE = volume_bytes(sphere_volume())
PACKED = gzip.compress(SPHERE, 6)
HEAD = b'--b\r\nContent-Disposition: form-data; name="volume"; filename="x"\r\n\r\n'
TAIL = b"\r\n--b--\r\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    folder = tmp_path_factory.mktemp("service")
    publish_threshold_model(folder / "models")
    with ServiceProcess(folder, {"UPLOAD_TIMEOUT_S": "2"}) as service:
        yield service


@pytest.fixture
def client(service: ServiceProcess) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client
        answer = post(client, SPHERE)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    "request_",
    [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n"],
)
def test_what_is_no_http_is_refused(service: ServiceProcess, client: httpx.Client, request_: bytes) -> None:
    where = urlsplit(service.url)
    with socket.create_connection((where.hostname or "", where.port or 0), timeout=30) as connection:
        connection.sendall(request_)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_a_file_that_turns_to_noise_on_the_way(client: httpx.Client, position: float) -> None:
    at = int(len(PACKED) * position)
    damaged = PACKED[:at] + bytes(byte ^ 0x5A for byte in PACKED[at : at + 64]) + PACKED[at + 64 :]
    answer = post(client, damaged)
    assert_problem(answer, 400, answer.json()["code"])


@pytest.mark.parametrize("share", [0.0, 0.2, 0.7, 0.999])
def test_a_client_that_goes_in_the_middle_of_its_body(
    service: ServiceProcess, client: httpx.Client, share: float
) -> None:
    before = count(client)
    body = HEAD + PACKED + TAIL
    with connected(service, len(body)) as connection:
        connection.sendall(body[: int(len(body) * share)])
    assert count(client) == before


def test_a_client_that_falls_silent_is_told_so(service: ServiceProcess, client: httpx.Client) -> None:
    body = HEAD + PACKED + TAIL
    with connected(service, len(body)) as connection:
        connection.sendall(body[: len(body) // 2])
        connection.settimeout(60)
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
    assert client.get("/health/live").status_code == 200


def test_a_client_that_does_not_wait_for_its_answer(service: ServiceProcess, client: httpx.Client) -> None:
    body = HEAD + PACKED + TAIL
    for _ in range(5):
        with connected(service, len(body)) as connection:
            connection.sendall(body)
    until_idle(client)


def connected(service: ServiceProcess, length: int) -> socket.socket:
    place = urlsplit(service.url)
    connection = socket.create_connection((place.hostname or "", place.port or 0), timeout=60)
    connection.sendall(
        f"POST /segment HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n\r\n".encode()
    )
    return connection


def count(client: httpx.Client) -> int:
    found: int = client.get("/volume").json()["summary"]["count"]
    return found


def until_idle(client: httpx.Client) -> None:
    deadline = time.monotonic() + 60
    while "fetalhead_in_flight 0.0" not in client.get("/metrics").text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
