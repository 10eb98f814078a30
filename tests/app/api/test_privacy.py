"""Nothing that could name a patient leaves the request: no file name, no text of a header, no form value."""

import logging
import tempfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.app.api.service import Service, post
from tests.makers import NiftiOptions, sphere_volume, volume_bytes

NAME = "Jane_Doe_19900101"
TEXTS: dict[str, Any] = {
    "descrip": NAME.encode(),
    "aux_file": NAME.encode(),
    "intent_name": NAME[:15].encode(),
}


@pytest.fixture
def files() -> list[bytes]:
    """One that is measured and some that are refused, each with a name in every text of its header."""
    kinds: list[dict[str, Any]] = [
        TEXTS,
        TEXTS | {"dim": [3, 9, 9, 9, 1, 1, 1, 1]},
        TEXTS | {"magic": b"abc"},
        TEXTS | {"datatype": 9999},
    ]
    return [volume_bytes(sphere_volume(), NiftiOptions(edits=edits)) for edits in kinds]


def test_a_name_is_in_no_answer_log_metric_or_file(
    service: Service, files: list[bytes], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "fetalhead")
    answers = [send(service.client, content) for content in files]
    assert answers[0].status_code == 200
    assert all(answer.status_code >= 400 for answer in answers[1:])
    answers += [post(service.client, files[0], subject=NAME + "!"), service.client.get("/metrics")]
    answers += [service.client.get(answers[0].json()["mask"]), service.client.get("/volume", params={"subject": "J D"})]
    assert not [answer for answer in answers if "Jane" in answer.text + str(answer.headers)]
    assert "Jane" not in str([(record.getMessage(), record.__dict__) for record in caplog.records])
    assert not [path for path in written(service.data) if b"Jane" in path.read_bytes()]


def test_an_unforeseen_error_shows_nothing_of_the_inside(
    service: Service, sphere: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (service.data / "artifacts").rename(service.data / "elsewhere")
    (service.data / "artifacts").write_text("no folder")
    answer = send(service.client, sphere)
    assert answer.status_code == 500
    body = answer.json()
    assert body["code"] == "internal"
    assert body["id"] in str([record.__dict__ for record in caplog.records])
    assert str(service.data) not in answer.text
    assert "Traceback" not in answer.text


def test_uploads_are_not_written_to_temporary_files(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    large = volume_bytes(sphere_volume(shape=(140, 130, 120), spacing_mm=(1.0, 1.0, 1.0)))
    assert len(large) > 2_000_000
    assert send(service.client, large).status_code == 200


def send(client: httpx.Client, content: bytes) -> httpx.Response:
    return client.post("/segment", files={"volume": (f"{NAME}.nii", content, f"application/{NAME}")})


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
