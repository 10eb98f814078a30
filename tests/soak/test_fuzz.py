"""Thousands of uploads that are nearly right, and requests that the OpenAPI document allows or nearly allows."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.schemas import APIOperation

from tests.helpers.makers import publish_threshold_model
from tests.helpers.repository import ROOT
from tests.helpers.service import assert_problem, post, running_service
from tests.soak.mutations import Mutation, mutations
from tests.soak.size import soak_size

pytestmark = pytest.mark.slow

CORPUS = ROOT / "tests/corpus"
REFUSED = {400, 413, 415, 422}
SIZE = soak_size()
REQUESTS_PER_OPERATION = max(SIZE.mutations // 25, 8)
LENIENT = settings(
    max_examples=SIZE.mutations,
    deadline=None,
    derandomize=True,
    database=None,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@schemathesis.serializer("application/gzip")
def packed(_: Any, value: Any) -> bytes:
    return bytes(getattr(value, "data", None) or str(value).encode())


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("fuzz")
    publish_threshold_model(folder / "models")
    with running_service(folder / "data", folder / "models", max_unpacked_bytes=4_000_000) as service:
        yield service.client


def test_mutated_uploads_are_measured_or_refused(client: httpx.Client) -> None:
    statuses: Counter[int] = Counter()

    @LENIENT
    @given(mutations())
    def upload(mutation: Mutation) -> None:
        answer = post(client, mutation.content, None, **mutation.fields)
        statuses[answer.status_code] += 1
        if answer.status_code != httpx.codes.OK and answer.status_code not in REFUSED:
            kept = CORPUS / f"{hashlib.sha256(mutation.content).hexdigest()[:16]}.bin"
            kept.write_bytes(mutation.content)
        understood(answer)

    upload()
    print(f"\n{statuses.total()} mutated uploads: {dict(sorted(statuses.items()))}")
    assert statuses.total() >= SIZE.mutations
    assert statuses[httpx.codes.OK]


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.bin")), ids=lambda path: path.stem)
def test_what_found_a_fault_once_finds_none_now(client: httpx.Client, path: Path) -> None:
    understood(post(client, path.read_bytes()))


def understood(answer: httpx.Response) -> None:
    if answer.status_code != httpx.codes.OK:
        assert answer.status_code in REFUSED, answer.text
        assert_problem(answer, answer.status_code, answer.json()["code"])


def test_whatever_the_openapi_document_allows_is_no_fault_of_ours(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    statuses: Counter[int] = Counter()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        ask(found.ok(), str(client.base_url), statuses)
    print(f"\n{statuses.total()} requests by the OpenAPI document: {dict(sorted(statuses.items()))}")
    assert statuses.total() >= 10 * 8


def ask(operation: APIOperation[Any, Any, Any, Any], url: str, statuses: Counter[int]) -> None:
    @settings(LENIENT, max_examples=REQUESTS_PER_OPERATION)
    @given(operation.as_strategy())
    def request(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=url, timeout=60)
        statuses[response.status_code] += 1
        case.validate_response(response, checks=[not_a_server_error])

    request()
