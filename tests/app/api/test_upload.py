import gzip
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.helpers.makers import sphere_volume, volume_bytes
from tests.helpers.service import DEADLINE_S, Service, assert_problem, post, running_service, until

BOUNDARY = "----------------b0undary"
TYPE = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


@pytest.fixture
def small_service(tmp_path: Path, model_store: Path) -> Iterator[Service]:
    """Takes 64 KiB at most."""
    with running_service(tmp_path, model_store, max_upload_bytes=65536) as service:
        yield service


def multipart(*parts: tuple[str, bytes], end: bool = True) -> bytes:
    body = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + content + b"\r\n"
        for name, content in parts
    )
    return body + (f"--{BOUNDARY}--\r\n".encode() if end else b"")


class TestSize:
    def test_a_declared_length_beyond_the_limit(self, small_service: Service) -> None:
        body = assert_problem(post(small_service.client, bytes(200_000)), 413, "body_too_large")
        assert "FETALHEAD_MAX_UPLOAD_BYTES" in body["remedy"]

    def test_a_body_of_unknown_length_is_cut_off(self, small_service: Service) -> None:
        def chunks() -> Iterator[bytes]:
            yield f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="volume"\r\n\r\n'.encode()
            for _ in range(40):
                yield bytes(8192)

        assert_problem(small_service.client.post("/segment", content=chunks(), headers=TYPE), 413, "body_too_large")

    def test_a_text_field_has_a_limit_of_its_own(self, shared_client: httpx.Client, sphere: bytes) -> None:
        assert_problem(post(shared_client, sphere, subject="a" * 10_000), 422, "invalid_field")

    def test_the_limit_holds_for_what_a_file_unpacks_to(self, tmp_path: Path, model_store: Path) -> None:
        bomb = gzip.compress(volume_bytes(sphere_volume()) + bytes(4_000_000))
        assert len(bomb) < 60_000
        with running_service(tmp_path, model_store, max_unpacked_bytes=1_000_000) as service:
            assert_problem(post(service.client, bomb), 413, "unpacks_too_large")

    def test_a_volume_that_would_unpack_to_too_much_is_refused_by_its_header(
        self, tmp_path: Path, model_store: Path, sphere: bytes
    ) -> None:
        with running_service(tmp_path, model_store, max_unpacked_bytes=100_000) as service:
            assert_problem(post(service.client, sphere), 413, "too_many_voxels")

    def test_a_volume_has_a_limit_of_voxels(self, shared_client: httpx.Client) -> None:
        header = bytearray(volume_bytes(sphere_volume()))
        struct.pack_into("<3h", header, 42, 600, 600, 600)
        body = assert_problem(post(shared_client, bytes(header)), 413, "too_many_voxels")
        assert "at most 200000000 voxels" in body["expected"]

    def test_the_service_serves_on(self, small_service: Service) -> None:
        for _ in range(12):
            post(small_service.client, bytes(200_000))
        assert_problem(post(small_service.client, b""), 400, "empty_file")


class TestSlowness:
    def test_a_body_that_does_not_come_is_given_up(self, tmp_path: Path, model_store: Path) -> None:
        with (
            running_service(tmp_path, model_store, upload_timeout_s=0.5) as service,
            connected(service) as connection,
        ):
            connection.sendall(head(service, 5000) + multipart(("volume", b"half"), end=False))
            assert b" 408 " in connection.recv(4096)

    def test_a_client_that_leaves_frees_its_place(self, tmp_path: Path, model_store: Path, sphere: bytes) -> None:
        with running_service(tmp_path, model_store, queue_length=0) as service:
            with connected(service) as connection:
                connection.sendall(head(service, 5000) + multipart(("volume", b"half"), end=False))
                until(lambda: not service.state.jobs.places.is_empty)
                assert_problem(post(service.client, sphere), 503, "queue_full")
            until(lambda: post(service.client, sphere).status_code == 200)


class TestForm:
    @pytest.mark.parametrize(
        ("body", "status", "code"),
        [
            (multipart(("subject", b"A")), 422, "missing_volume"),
            (multipart(("volume", b"x"), ("colour", b"red")), 422, "unknown_field"),
            (multipart(("volume", b"x"), ("volume", b"y")), 422, "repeated_field"),
            (multipart(("", b"x"), ("volume", b"y")), 422, "unknown_field"),
            (multipart(("volume", b"x")).replace(b' name="volume"', b""), 422, "unknown_field"),
            (multipart(("volume", b"x"), *[("colour", b"")] * 2000), 400, "malformed_multipart"),
            (multipart(("volume", b"x"), end=False), 400, "malformed_multipart"),
            (b"no multipart at all", 400, "malformed_multipart"),
            (b"", 400, "malformed_multipart"),
        ],
    )
    def test_a_form_that_cannot_be_used(self, shared_client: httpx.Client, body: bytes, status: int, code: str) -> None:
        assert_problem(shared_client.post("/segment", content=body, headers=TYPE), status, code)

    @pytest.mark.parametrize(
        ("media_type", "status", "code"),
        [
            (None, 415, "not_multipart"),
            ("application/json", 415, "not_multipart"),
            ("multipart/form-data", 400, "malformed_multipart"),
        ],
    )
    def test_a_content_type_that_cannot_be_used(
        self, shared_client: httpx.Client, media_type: str | None, status: int, code: str
    ) -> None:
        headers = {} if media_type is None else {"Content-Type": media_type}
        assert_problem(shared_client.post("/segment", content=b"{}", headers=headers), status, code)

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("gestational_age_weeks", "nine"),
            ("gestational_age_weeks", "9.9"),
            ("gestational_age_weeks", "42.1"),
            ("gestational_age_weeks", "nan"),
            ("gestational_age_weeks", "2_6"),
            ("gestational_age_weeks", "٢٦"),
            ("subject", "Jane Doe"),
            ("subject", "a" * 65),
            ("subject", "ä"),
            ("spacing_mm", "0.5"),
            ("spacing_mm", "a,b,c"),
            ("spacing_mm", "nan,2,2"),
            ("spacing_mm", "0,2,2"),
            ("spacing_mm", "-2,2,2"),
            ("spacing_mm", "inf,2,2"),
            ("spacing_mm", "1e400,2,2"),
            ("spacing_mm", "2_0,2,2"),
            ("spacing_mm", "5,2,2"),
            ("spacing_mm", "0.05,2,2"),
        ],
    )
    def test_a_field_that_cannot_be_used(
        self, shared_client: httpx.Client, sphere: bytes, field: str, value: str
    ) -> None:
        answer = post(shared_client, sphere, None, **{field: value})
        body = assert_problem(answer, 422, "invalid_field")
        assert field in body["detail"]
        assert "Jane" not in answer.text

    def test_a_spacing_is_told_its_range(self, shared_client: httpx.Client, sphere: bytes) -> None:
        assert "from 0.1 to 3, in mm" in post(shared_client, sphere, spacing_mm="5,2,2").json()["expected"]

    def test_a_spacing_that_contradicts_the_file(self, shared_client: httpx.Client, sphere: bytes) -> None:
        assert_problem(post(shared_client, sphere, spacing_mm="1.5,2,2"), 422, "spacing_contradicts_file")

    def test_a_field_may_come_as_a_file_and_the_volume_without_a_name(
        self, shared_client: httpx.Client, sphere: bytes
    ) -> None:
        files: dict[str, tuple[str | None, bytes]] = {"volume": (None, sphere), "subject": ("s.txt", b"S-17")}
        answer = shared_client.post("/segment", files=files)
        assert answer.status_code == 200
        assert shared_client.get("/volume", params={"subject": "S-17"}).json()["items"][0]["id"] == answer.json()["id"]

    def test_an_unknown_field_is_named_and_a_missing_volume_is_told(
        self, shared_client: httpx.Client, sphere: bytes
    ) -> None:
        body = assert_problem(shared_client.post("/segment", files={"file": ("x", sphere)}), 422, "unknown_field")
        assert body["detail"] == "The field file is not known here. The field volume is missing."
        body = assert_problem(post(shared_client, sphere, colour="red"), 422, "unknown_field")
        assert body["detail"] == "The field colour is not known here."
        body = assert_problem(post(shared_client, sphere, None, **{"Jane Doe": "x"}), 422, "unknown_field")
        assert "Jane" not in str(body)

    def test_a_field_in_the_query_is_refused_and_told_where_it_belongs(
        self, shared_client: httpx.Client, sphere: bytes
    ) -> None:
        answer = shared_client.post("/segment?gestational_age_weeks=26", files={"volume": ("x", sphere)})
        body = assert_problem(answer, 422, "invalid_parameter")
        assert "gestational_age_weeks" in body["detail"]
        assert "curl -F gestational_age_weeks=" in body["remedy"]
        answer = shared_client.post("/segment?colour=red", files={"volume": ("x", sphere)})
        assert "colour" in assert_problem(answer, 422, "invalid_parameter")["detail"]

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_an_idempotency_key_that_cannot_be_used(self, shared_client: httpx.Client, sphere: bytes, key: str) -> None:
        assert_problem(post(shared_client, sphere, {"Idempotency-Key": key}), 422, "invalid_parameter")


def connected(service: Service) -> socket.socket:
    url = service.client.base_url
    connection = socket.create_connection((url.host, url.port))
    connection.settimeout(DEADLINE_S)
    return connection


def head(service: Service, length: int) -> bytes:
    lines = ["POST /segment HTTP/1.1", f"Host: {service.client.base_url.host}", f"Content-Length: {length}"]
    return "\r\n".join([*lines, *(f"{name}: {value}" for name, value in TYPE.items()), "", ""]).encode()


class TestEnvelope:
    @pytest.mark.parametrize(
        "preamble",
        [
            b"This is a multi-part message in MIME format.\r\n",
            b"\r\n",
            b"\r\nx\r\n",
            f"--{BOUNDARY}x\r\n".encode(),
            f"\r\n--{BOUNDARY}-\r\n--{BOUNDARY} x\r\n".encode(),
        ],
    )
    @pytest.mark.parametrize("cut", [1, 7, 10_000])
    def test_words_before_the_first_boundary_are_passed_over(
        self, shared_client: httpx.Client, sphere: bytes, preamble: bytes, cut: int
    ) -> None:
        body = preamble + multipart(("volume", sphere))
        pieces = [body[at : min(300, at + cut)] for at in range(0, 300, cut)]
        answer = shared_client.post("/segment", content=iter([*pieces, body[300:]]), headers=TYPE)
        assert answer.status_code == 200

    @pytest.mark.parametrize("cut", [1, 10_000])
    def test_spaces_behind_the_first_boundary_are_passed_over(
        self, shared_client: httpx.Client, sphere: bytes, cut: int
    ) -> None:
        body = multipart(("volume", sphere)).replace(b"\r\n", b" \t\r\n", 1)
        pieces = [body[at : min(200, at + cut)] for at in range(0, 200, cut)]
        answer = shared_client.post("/segment", content=iter([*pieces, body[200:]]), headers=TYPE)
        assert answer.status_code == 200

    def test_the_last_boundary_alone_is_a_form_without_a_volume(self, shared_client: httpx.Client) -> None:
        body = multipart()
        assert_problem(shared_client.post("/segment", content=body, headers=TYPE), 422, "missing_volume")

    @pytest.mark.parametrize("body", [b"", b"no boundary at all", bytes(100_000)])
    def test_a_body_without_a_boundary_is_no_form(self, shared_client: httpx.Client, body: bytes) -> None:
        assert_problem(shared_client.post("/segment", content=body, headers=TYPE), 400, "malformed_multipart")

    @pytest.mark.parametrize("coding", ["gzip", "br", "gzip, identity"])
    def test_a_body_compressed_as_a_whole_is_named(
        self, shared_client: httpx.Client, sphere: bytes, coding: str
    ) -> None:
        body = gzip.compress(multipart(("volume", sphere)))
        answer = shared_client.post("/segment", content=body, headers={**TYPE, "Content-Encoding": coding})
        assert coding in assert_problem(answer, 415, "content_coded")["got"]
        assert answer.headers["Accept-Encoding"] == "identity"
