"""Nothing that could name a patient leaves the request: no file name, no text of a header, no form value.

A canary is put into every text that an upload can carry, and looked for in everything that the service gives or keeps.
"""

import gzip
import io
import logging
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydicom.dataset import Dataset

from tests.helpers.enhanced_us import enhanced_us_bytes
from tests.helpers.kretz import kretz_bytes
from tests.helpers.makers import NiftiOptions, sphere_volume, volume_bytes
from tests.helpers.service import Service, post

CANARY = "CANARY^PATIENT"
TRACE = re.compile(rb"c.{0,3}a.{0,3}n.{0,3}a.{0,3}r.{0,3}y", re.IGNORECASE | re.DOTALL)
"""The canary in capitals or not, in one-, two- and four-byte characters."""
HEADER_TEXTS: dict[str, Any] = {
    "descrip": CANARY.encode(),
    "aux_file": CANARY.encode(),
    "intent_name": CANARY.encode(),
    "db_name": CANARY.encode(),
}
EXTENSION = 64
CLIENT_LOGGERS = ("httpx", "httpcore")
"""The sender itself may say what it sends."""
REFUSED: list[dict[str, Any]] = [
    {"dim": [3, 9, 9, 9, 1, 1, 1, 1]},
    {"magic": CANARY[:3].encode()},
    {"datatype": 9999},
    {"sform_code": 0, "qform_code": 0, "pixdim": [0.0] * 8},
]


def with_canary(edits: dict[str, Any] | None = None) -> bytes:
    """A volume with the canary in its header, in an extension, and as the name in its gzip wrapper."""
    texts = HEADER_TEXTS | (edits or {}) | {"vox_offset": 352 + EXTENSION}
    plain = volume_bytes(sphere_volume(), NiftiOptions(edits=texts))
    comment = CANARY.encode().ljust(EXTENSION - 8, b"\0")
    content = plain[:348] + b"\1\0\0\0" + struct.pack("<ii", EXTENSION, 6) + comment + plain[352:]
    packed = io.BytesIO()
    with gzip.GzipFile(f"{CANARY}.nii", "wb", fileobj=packed, compresslevel=1) as file:
        file.write(content)
    return packed.getvalue()


def test_the_canary_is_in_the_upload() -> None:
    content = with_canary()
    assert TRACE.search(content)
    assert len(TRACE.findall(gzip.decompress(content))) == len(HEADER_TEXTS) + 1


def test_it_is_in_no_answer_log_metric_or_file(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = service.client
    measured = [
        send(client, with_canary(), media_type) for media_type in ("*/*", "application/gzip", "application/zip")
    ]
    measured.append(send(client, kretz_bytes(name=CANARY.encode()), "application/json"))
    assert {answer.status_code for answer in measured} == {200}
    refused = [send(client, with_canary(edits)) for edits in REFUSED]
    refused += [send(client, kretz_bytes(name=CANARY.encode())[:-1])]
    refused += [post(client, with_canary(), subject=CANARY), post(client, with_canary(), None, **{CANARY: "x"})]
    refused += [client.get("/volume", params={"subject": CANARY}), client.get(f"/{CANARY}")]
    refused += [client.get("/volume", params={CANARY: "x"}), client.post("/segment", params={CANARY: "x"})]
    refused += [client.get(f"/segmentations/{CANARY}"), client.delete(f"/subjects/{CANARY}")]
    assert all(400 <= answer.status_code < 500 for answer in refused)
    answers = [*measured, *refused, client.get("/metrics"), client.get("/volume"), *results(client, measured[0].json())]
    found = [f"{a.request.method} {a.request.url.path}" for a in answers if traces(a.content, str(a.headers).encode())]
    assert found == []
    ours = [record for record in caplog.records if not record.name.startswith(CLIENT_LOGGERS)]
    assert ours
    assert not TRACE.search(str([(record.getMessage(), record.__dict__) for record in ours]).encode())
    assert [str(path) for path in written(service.data) if traces(path.read_bytes(), path.name.encode())] == []


def name_everywhere(dataset: Dataset) -> None:
    for name in ("PatientName", "PatientID", "OtherPatientNames", "PatientAddress", "OperatorsName", "InstitutionName"):
        setattr(dataset, name, CANARY)
    dataset.StudyDescription = dataset.ImageComments = dataset.DeviceSerialNumber = CANARY
    dataset.private_block(0x0011, "TESTS", create=True).add_new(1, "LO", CANARY)
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].ImageComments = CANARY


def broken_and_named(dataset: Dataset) -> None:
    name_everywhere(dataset)
    dataset.UltrasoundAcquisitionGeometry = CANARY.replace("^", " ")
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing = None
    dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].add_new(0x00200011, "LO", CANARY)


def test_a_name_in_a_dicom_file_goes_nowhere(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    named, broken = (enhanced_us_bytes(sphere_volume(), edit=edit) for edit in (name_everywhere, broken_and_named))
    assert len(TRACE.findall(named)) >= 10
    answers = [send(service.client, named, kind) for kind in ("*/*", "application/zip")]
    assert [answer.status_code for answer in answers] == [200, 200]
    answers += [send(service.client, broken, "*/*;q=0.5"), *results(service.client, answers[0].json())]
    assert answers[2].status_code in {400, 422}
    assert not any(traces(answer.content, str(answer.headers).encode()) for answer in answers)
    ours = [record for record in caplog.records if not record.name.startswith(CLIENT_LOGGERS)]
    assert not TRACE.search(str([(record.getMessage(), record.__dict__) for record in ours]).encode())
    assert [str(path) for path in written(service.data) if traces(path.read_bytes(), path.name.encode())] == []


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


def send(client: httpx.Client, content: bytes, accept: str = "*/*") -> httpx.Response:
    headers = {"Idempotency-Key": f"{CANARY} {accept}", "Accept": accept, "User-Agent": CANARY, "X-Patient": CANARY}
    files = {"volume": (f"{CANARY}.nii.gz", content, f"application/{CANARY}")}
    return client.post("/segment", files=files, headers=headers)


def results(client: httpx.Client, report: dict[str, Any]) -> list[httpx.Response]:
    """Everything that can be had of a measurement, of whatever kinds there are."""
    paths = [path for path, methods in client.get("/openapi.json").json()["paths"].items() if "get" in methods]
    mine = [path for path in paths if path.startswith("/segmentations/")]
    answers = [client.get(path.replace("{segmentation_id}", report["id"])) for path in mine]
    assert [answer.status_code for answer in answers if "{" not in answer.request.url.path].count(200) >= 3
    return answers


def traces(*contents: bytes) -> bool:
    return any(TRACE.search(layer) for content in contents for layer in layers(content))


def layers(content: bytes) -> Iterator[bytes]:
    """The bytes as they are, and what is packed in them."""
    yield content
    if content.startswith(b"\x1f\x8b"):
        yield from layers(gzip.decompress(content))
    if content.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                yield name.encode()
                yield from layers(archive.read(name))
    if content.startswith(b"%PDF"):
        for stream in re.findall(rb"stream\r?\n(.*?)endstream", content, re.DOTALL):
            yield zlib.decompressobj().decompress(stream) if stream[:1] == b"\x78" else stream


def written(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
