import gzip
import io
import json
import uuid
import zipfile

import httpx
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.contract.report import MASK
from app.records.tables import SegmentationRow
from tests.helpers.makers import NiftiOptions, sphere_volume, volume_bytes
from tests.helpers.service import Service, assert_problem, post, until

UNKNOWN = f"/segmentations/{uuid.uuid4()}"


class TestGet:
    def test_the_report_is_the_one_that_was_answered(self, client: httpx.Client, sphere: bytes) -> None:
        report = post(client, sphere).json()
        assert client.get(f"/segmentations/{report['id']}").json() == report

    @pytest.mark.parametrize("path", ["", "/mask", "/preview.png"])
    def test_an_unknown_one(self, shared_client: httpx.Client, path: str) -> None:
        assert_problem(shared_client.get(UNKNOWN + path), 404, "unknown_segmentation")

    def test_an_identifier_that_is_none(self, shared_client: httpx.Client) -> None:
        assert_problem(shared_client.get("/segmentations/..%2F..%2Fetc"), 404, "not_found")
        for path in ("/segmentations/17", "/segmentations/abc/mask", "/segmentations/%00/preview.png"):
            assert_problem(shared_client.get(path), 404, "unknown_segmentation")

    def test_one_that_is_under_way_tells_its_stage(self, service: Service, sphere: bytes) -> None:
        with service.busy():
            path = post(service.client, sphere, {"Prefer": "respond-async"}).headers["location"]
            body = service.client.get(path).json()
            assert body["status"] == "queued"
            assert_problem(service.client.get(f"{path}/mask"), 409, "not_completed")
        until(lambda: service.client.get(path).json()["status"] == "completed")


class TestMask:
    @pytest.mark.parametrize("version", [1, 2])
    def test_it_lies_on_the_grid_of_the_upload(self, client: httpx.Client, version: int) -> None:
        volume = sphere_volume(spacing_mm=(1.9, 2.0, 2.1))
        path = post(client, volume_bytes(volume, NiftiOptions(version=version, sform_code=2))).json()["mask"]
        answer = client.get(path)
        assert answer.headers["content-type"] == "application/gzip"
        kind = nib.Nifti1Image if version == 1 else nib.Nifti2Image
        image = kind.from_bytes(__import__("gzip").decompress(answer.content))
        np.testing.assert_allclose(image.affine, volume.geometry.affine, atol=1e-6)
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (2, 1)
        assert set(np.unique(np.asarray(image.dataobj))) == {0, 1}

    def test_a_file_that_was_altered_on_the_disk_is_not_given_out(
        self, service: Service, sphere: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = post(service.client, sphere).json()["mask"]
        next(service.data.rglob(MASK)).write_bytes(b"altered")
        body = assert_problem(service.client.get(path), 500, "damaged_record")
        (told,) = [record for record in caplog.records if record.message == "damaged record"]
        assert told.fields["incident"] == body["id"]  # type: ignore[attr-defined]
        assert str(service.data) not in json.dumps(body)


class TestLayers:
    def test_the_probability_lies_where_the_head_lies(self, client: httpx.Client, sphere: bytes) -> None:
        report = post(client, sphere).json()
        answer = client.get(f"/segmentations/{report['id']}/probability")
        assert answer.headers["content-type"] == "application/gzip"
        image = nib.Nifti1Image.from_bytes(gzip.decompress(answer.content))
        soft_ml = float(np.asanyarray(image.dataobj).sum() * abs(np.linalg.det(image.affine)) / 1000)
        assert soft_ml == pytest.approx(report["head_volume_ml"], rel=0.02)

    def test_equal_levels_do_not_disagree(self, client: httpx.Client, sphere: bytes) -> None:
        path = f"/segmentations/{post(client, sphere).json()['id']}/disagreement"
        image = nib.Nifti1Image.from_bytes(gzip.decompress(client.get(path).content))
        assert float(np.asanyarray(image.dataobj).max()) == pytest.approx(0, abs=1 / 255)

    def test_an_earlier_measurement_without_layers_says_so(self, service: Service, sphere: bytes) -> None:
        report = post(service.client, sphere).json()
        with Session(service.state.records.engine) as session, session.begin():
            row = session.scalars(select(SegmentationRow)).one()
            row.artifacts = {name: value for name, value in (row.artifacts or {}).items() if "probability" not in name}
        answer = service.client.get(f"/segmentations/{report['id']}/probability")
        assert_problem(answer, 404, "unknown_layer")


class TestArchive:
    def test_it_holds_what_the_answer_to_a_volume_may_hold(self, client: httpx.Client, sphere: bytes) -> None:
        report = post(client, sphere).json()
        answer = client.get(f"/segmentations/{report['id']}/archive.zip")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert sorted(archive.namelist()) == ["mask.nii.gz", "preview.png", "report.json"]
            assert json.loads(archive.read("report.json")) == report


class TestPreview:
    def test_it_is_a_picture(self, client: httpx.Client, sphere: bytes) -> None:
        answer = client.get(post(client, sphere).json()["preview"])
        assert answer.headers["content-type"] == "image/png"
        picture = Image.open(io.BytesIO(answer.content))
        assert picture.width > picture.height > 300


class TestDelete:
    def test_it_erases_measurement_and_files(self, service: Service, sphere: bytes) -> None:
        report = post(service.client, sphere).json()
        path = f"/segmentations/{report['id']}"
        assert service.client.delete(path).status_code == 204
        for gone in (path, report["mask"], report["preview"]):
            assert_problem(service.client.get(gone), 404, "unknown_segmentation")
        assert service.client.get("/volume").json()["items"] == []
        assert list(service.data.rglob(MASK)) == []

    def test_it_cancels_what_is_queued(self, service: Service, sphere: bytes) -> None:
        with service.busy():
            path = post(service.client, sphere, {"Prefer": "respond-async"}).headers["location"]
            assert service.client.delete(path).status_code == 204
            assert service.client.get(path).json()["status"] == "cancelled"
        assert post(service.client, sphere).status_code == 200
        assert service.client.get(path).json()["status"] == "cancelled"
        assert service.client.get("/volume").json()["summary"]["count"] == 1

    def test_an_unknown_one(self, shared_client: httpx.Client) -> None:
        assert_problem(shared_client.delete(UNKNOWN), 404, "unknown_segmentation")
