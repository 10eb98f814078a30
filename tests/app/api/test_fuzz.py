"""Whatever bytes a client sends, the answer is a measurement or a problem of the client's, never a fault of ours."""

import gzip

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.helpers.damage import mutate
from tests.helpers.makers import sphere_volume, volume_bytes
from tests.helpers.samples import SAMPLES
from tests.helpers.service import assert_problem, post

SMALL = volume_bytes(sphere_volume(14.0, (20, 18, 22), off_centre_mm=(0.0, 0.0, 0.0)))
HEADER = 352
BYTES = st.tuples(st.integers(0, HEADER - 1), st.integers(0, 255))
LENIENT = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def answered(answer: httpx.Response) -> None:
    if answer.status_code != 200:
        assert answer.status_code in {400, 413, 415, 422}, answer.text
        assert_problem(answer, answer.status_code, answer.json()["code"])


@pytest.mark.slow
@LENIENT
@given(st.lists(BYTES, min_size=1, max_size=4))
def test_altered_headers(shared_client: httpx.Client, changes: list[tuple[int, int]]) -> None:
    content = bytearray(SMALL)
    for position, value in changes:
        content[position] = value
    answered(post(shared_client, bytes(content)))


@LENIENT
@given(st.integers(0, len(SMALL)), st.integers(0, 400), st.binary(max_size=8))
def test_truncated_and_damaged_gzip(shared_client: httpx.Client, end: int, position: int, damage: bytes) -> None:
    content = bytearray(gzip.compress(SMALL, 1))
    content[position : position + len(damage)] = damage
    answered(post(shared_client, bytes(content[: end % len(content) + 1])))


@pytest.mark.slow
@pytest.mark.parametrize("name", SAMPLES)
def test_other_formats_damaged(shared_client: httpx.Client, name: str) -> None:
    random, whole = np.random.default_rng(1), SAMPLES[name]()
    for _ in range(25):
        answered(post(shared_client, mutate(whole, random)))


@LENIENT
@given(st.binary(max_size=600))
def test_any_bytes_at_all(shared_client: httpx.Client, content: bytes) -> None:
    answered(post(shared_client, content))


@LENIENT
@given(st.binary(max_size=300))
def test_any_form_at_all(shared_client: httpx.Client, body: bytes) -> None:
    media_type = {"Content-Type": "multipart/form-data; boundary=b"}
    answered(shared_client.post("/segment", content=b"--b\r\n" + body, headers=media_type))
