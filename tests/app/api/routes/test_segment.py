import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from app.contract.report import Report
from app.contract.value import NOTICE
from app.problems.problem import RETRY_AFTER_S
from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.service import Service, assert_problem, post, running_service, until


class TestReport:
    def test_the_volume_of_a_sphere_is_right(self, client: httpx.Client, sphere: bytes) -> None:
        answer = post(client, sphere)
        assert answer.status_code == 200, answer.text
        report = answer.json()
        assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        low, high = report["head_volume_interval_ml"]
        assert low < report["head_volume_ml"] < high
        assert answer.headers["location"] == f"/segmentations/{report['id']}"

    def test_it_has_every_member_of_the_contract(self, client: httpx.Client, sphere: bytes) -> None:
        report = post(client, sphere).json()
        Report.model_validate(report)
        assert report["status"] == "completed"
        assert report["created_at"].endswith("Z")
        assert report["notice"] == NOTICE
        assert report["model"]["name"] == "fetal_head"
        assert report["runtime"] == {"provider": "CPUExecutionProvider", "precision": "fp32"}
        assert report["input"]["shape"] == [64, 56, 60]
        assert report["input"]["spacing_mm"] == [2.0, 2.0, 2.0]
        stages = {"decode", "preprocess", "context_level_1", "context_level_2", "restore", "encode", "total"}
        assert set(report["timings_s"]) == stages

    def test_the_optional_fields_are_kept(self, client: httpx.Client, sphere: bytes) -> None:
        report = post(client, sphere, gestational_age_weeks="25.5", subject="S-1.a_B").json()
        assert (report["gestational_age_weeks"], report["subject"]) == (25.5, "S-1.a_B")

    def test_empty_fields_of_a_form_count_as_absent(self, client: httpx.Client, sphere: bytes) -> None:
        report = post(client, sphere, gestational_age_weeks="", subject="", spacing_mm="").json()
        assert (report["gestational_age_weeks"], report["subject"]) == (None, None)

    def test_a_head_cut_by_the_field_of_view_is_flagged(self, client: httpx.Client) -> None:
        cut = volume_bytes(sphere_volume(off_centre_mm=(44.0, 0.0, 0.0)))
        report = post(client, cut).json()
        assert "truncated" in [flag["code"] for flag in report["flags"]]
        assert report["verdict"] != "ok"

    def test_no_number_on_reject(self, client: httpx.Client) -> None:
        tiny = volume_bytes(sphere_volume(radius_mm=16.0))
        answer = post(client, tiny)
        report = answer.json()
        assert report["verdict"] == "reject"
        assert (report["head_volume_ml"], report["head_volume_interval_ml"], report["biometry"]) == (None, None, None)
        assert report["flags"][0]["remedy"]
        assert "x-head-volume-ml" not in answer.headers

    def test_a_model_without_an_interval_answers_all_the_same(self, tmp_path: Path, sphere: bytes) -> None:
        publish_threshold_model(tmp_path / "models", volume_interval=None)
        with running_service(tmp_path / "data", tmp_path / "models") as service:
            report = post(service.client, sphere).json()
            table = service.client.get("/volume", headers={"Accept": "text/csv"}).text
            picture = service.client.get(report["preview"])
        assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        assert report["head_volume_interval_ml"] is None
        assert Report.model_validate(report).head_volume_interval_ml is None
        assert f",{report['head_volume_ml']},,," in table
        assert picture.headers["content-type"] == "image/png"

    def test_spacing_may_come_with_a_file_that_has_none(self, client: httpx.Client) -> None:
        bare = volume_bytes(sphere_volume(), NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [1.0] * 8}))
        report = post(client, bare, spacing_mm="2.0, 2.0, 2.0").json()
        assert report["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)
        assert "spacing_supplied" in [flag["code"] for flag in report["flags"]]


class TestMask:
    def test_gzip_gives_the_mask_on_the_very_grid(self, client: httpx.Client) -> None:
        volume = sphere_volume()
        answer = post(client, volume_bytes(volume), {"Accept": "application/gzip"})
        assert answer.headers["content-type"] == "application/gzip"
        image = nib.Nifti1Image.from_bytes(__import__("gzip").decompress(answer.content))
        mask = np.asarray(image.dataobj)
        np.testing.assert_array_equal(image.affine, volume.geometry.affine)
        assert mask.shape == volume.geometry.shape
        millilitres = mask.sum() * volume.geometry.voxel_volume_mm3 / 1000
        assert float(answer.headers["x-head-volume-ml"]) == pytest.approx(millilitres, abs=0.01)
        assert answer.headers["x-verdict"] == "ok"
        assert answer.headers["x-model-version"] == "1"
        assert answer.headers["location"].endswith(answer.headers["x-segmentation-id"])

    def test_zip_gives_mask_report_and_preview(self, client: httpx.Client, sphere: bytes) -> None:
        answer = post(client, sphere, {"Accept": "application/zip"})
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert sorted(archive.namelist()) == ["mask.nii.gz", "preview.png", "report.json"]
            report = json.loads(archive.read("report.json"))
            assert Image.open(io.BytesIO(archive.read("preview.png"))).format == "PNG"
        assert report["id"] == answer.headers["x-segmentation-id"]

    def test_another_type_cannot_be_made(self, client: httpx.Client, sphere: bytes) -> None:
        body = assert_problem(post(client, sphere, {"Accept": "image/png"}), 406, "not_acceptable")
        assert "application/zip" in body["expected"]


class TestIdempotency:
    def test_the_same_request_is_computed_once(self, client: httpx.Client, sphere: bytes) -> None:
        headers = {"Idempotency-Key": "k-1"}
        first, second = post(client, sphere, headers).json(), post(client, sphere, headers).json()
        assert first == second
        assert client.get("/volume").json()["summary"]["count"] == 1

    def test_the_answer_may_be_of_another_type(self, client: httpx.Client, sphere: bytes) -> None:
        first = post(client, sphere, {"Idempotency-Key": "k"}).json()
        second = post(client, sphere, {"Idempotency-Key": "k", "Accept": "application/gzip"})
        assert second.headers["x-segmentation-id"] == first["id"]

    def test_another_file_or_field_under_the_same_key_is_refused(self, client: httpx.Client, sphere: bytes) -> None:
        headers = {"Idempotency-Key": "k-1"}
        post(client, sphere, headers)
        assert_problem(post(client, volume_bytes(sphere_volume(radius_mm=30)), headers), 409, "key_reused")
        assert_problem(post(client, sphere, headers, subject="B"), 409, "key_reused")

    def test_simultaneous_requests_share_one_computation(self, service: Service, sphere: bytes) -> None:
        with ThreadPoolExecutor(4) as pool, service.busy():
            answers = [pool.submit(post, service.client, sphere, {"Idempotency-Key": "k"}) for _ in range(4)]
            until(lambda: service.counted("fetalhead_queue_depth") == 1)
        assert len({answer.result().json()["id"] for answer in answers}) == 1
        assert service.client.get("/volume").json()["summary"]["count"] == 1

    def test_what_is_answered_already_needs_no_place_in_the_queue(
        self, tmp_path: Path, model_store: Path, sphere: bytes
    ) -> None:
        with running_service(tmp_path, model_store, queue_length=0) as service:
            first = post(service.client, sphere, {"Idempotency-Key": "k"}).json()
            with service.busy():
                assert post(service.client, sphere, {"Prefer": "respond-async"}).status_code == 202
                assert_problem(post(service.client, sphere), 503, "queue_full")
                assert post(service.client, sphere, {"Idempotency-Key": "k"}).json() == first
                assert_problem(post(service.client, sphere, {"Idempotency-Key": "other"}), 503, "queue_full")
                assert_problem(post(service.client, sphere, {"Idempotency-Key": "k"}, subject="B"), 409, "key_reused")

    def test_without_a_key_each_request_is_computed(self, client: httpx.Client, sphere: bytes) -> None:
        assert post(client, sphere).json()["id"] != post(client, sphere).json()["id"]


class TestAsynchronous:
    def test_it_is_accepted_at_once_and_done_later(self, service: Service, sphere: bytes) -> None:
        with service.busy():
            answer = post(service.client, sphere, {"Prefer": "respond-async"})
            assert answer.status_code == 202, answer.text
            assert answer.headers["preference-applied"] == "respond-async"
            path = answer.headers["location"]
            assert service.client.get(path).json()["status"] == "queued"
        until(lambda: service.client.get(path).json()["status"] == "completed")
        assert service.client.get(path).json()["head_volume_ml"] == pytest.approx(sphere_ml(), rel=0.01)

    def test_a_bad_file_is_refused_at_once(self, client: httpx.Client) -> None:
        assert_problem(post(client, b"not a volume" * 99, {"Prefer": "respond-async"}), 415, "not_nifti")


class TestLoad:
    def test_more_than_the_queue_holds_is_told_to_come_back(
        self, tmp_path: Path, model_store: Path, sphere: bytes
    ) -> None:
        with running_service(tmp_path, model_store, queue_length=1) as service:
            with service.busy():
                kept = [post(service.client, sphere, {"Prefer": "respond-async"}) for _ in range(2)]
                refused = post(service.client, sphere)
                assert_problem(refused, 503, "queue_full")
                assert refused.headers["retry-after"] == str(RETRY_AFTER_S)
            paths = [answer.headers["location"] for answer in kept]
            until(lambda: all(service.client.get(path).json()["status"] == "completed" for path in paths))
            until(lambda: post(service.client, sphere).status_code == 200)

    def test_a_refused_request_gives_its_place_back(self, tmp_path: Path, model_store: Path, sphere: bytes) -> None:
        with running_service(tmp_path, model_store, queue_length=0) as service:
            for _ in range(3):
                assert_problem(post(service.client, b""), 400, "empty_file")
            assert post(service.client, sphere).status_code == 200

    def test_other_requests_are_answered_meanwhile(self, service: Service, sphere: bytes) -> None:
        with ThreadPoolExecutor(1) as pool, service.busy():
            waiting = pool.submit(post, service.client, sphere)
            until(lambda: service.counted("fetalhead_queue_depth") == 1)
            assert service.client.get("/health/live").status_code == 200
            assert service.client.get("/volume").json()["items"] == []
        assert waiting.result().status_code == 200

    def test_a_result_that_takes_too_long_is_found_later(
        self, tmp_path: Path, model_store: Path, sphere: bytes
    ) -> None:
        with running_service(tmp_path, model_store, request_timeout_s=0.05) as service:
            with service.busy():
                answer = post(service.client, sphere)
                assert_problem(answer, 504, "result_timeout")
            path = answer.headers["location"]
            until(lambda: service.client.get(path).json()["status"] == "completed")


class TestNotReady:
    def test_a_store_without_a_model_measures_nothing(self, tmp_path: Path, sphere: bytes) -> None:
        with running_service(tmp_path / "data", tmp_path / "empty", wait=False) as service:
            until(lambda: service.client.get("/health/ready").json()["code"] == "model_failed")
            answer = post(service.client, sphere)
            body = assert_problem(answer, 503, "model_failed")
            assert "model_not_found" in body["detail"]
            assert answer.headers["retry-after"]
