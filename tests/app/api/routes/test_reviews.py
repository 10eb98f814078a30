import csv
import gzip
import io
import json
import re
import zipfile
from dataclasses import dataclass
from typing import Any

import httpx
import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.records.tables import AuditRow, DecisionRow, EditedMaskRow
from tests.helpers.makers import NiftiOptions, nifti_bytes, sphere_volume, volume_bytes
from tests.helpers.pdf import text_of
from tests.helpers.service import Service, assert_problem, post

SECRET = "Anna Smith looked at it"


@pytest.fixture
def report(client: httpx.Client, sphere: bytes) -> dict[str, Any]:
    body: dict[str, Any] = post(client, sphere, subject="S-1").json()
    return body


def decide(client: httpx.Client, report: dict[str, Any], decision: str, reason: str = "") -> httpx.Response:
    body = {"decision": decision, "reason": reason}
    return client.post(f"/segmentations/{report['id']}/decision", json=body)


def smaller(client: httpx.Client, report: dict[str, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The stored mask without its lower half, and its affine."""
    image = nib.Nifti1Image.from_bytes(gzip.decompress(client.get(report["mask"]).content))
    mask = np.asarray(image.dataobj).copy()
    mask[:, :, : mask.shape[2] // 2] = 0
    return mask, np.asarray(image.affine)


def put(client: httpx.Client, report: dict[str, Any], content: bytes) -> httpx.Response:
    return client.put(f"/segmentations/{report['id']}/mask", content=content)


class TestDecision:
    def test_the_latest_counts_and_all_are_kept(self, client: httpx.Client, report: dict[str, Any]) -> None:
        first = decide(client, report, "accept").json()
        assert (first["decision"], first["head_volume_ml"], first["by"]) == (
            "accept",
            report["head_volume_ml"],
            "anonymous",
        )
        assert decide(client, report, "reject", "the wrong patient's probe").json()["head_volume_ml"] is None
        review = client.get(f"/segmentations/{report['id']}").json()["review"]
        assert (review["decision"]["decision"], review["edit"]) == ("reject", None)
        history = client.get(f"/segmentations/{report['id']}/decisions").json()["decisions"]
        assert [item["decision"] for item in history] == ["accept", "reject"]
        (item,) = client.get("/volume").json()["items"]
        assert (item["decision"], item["head_volume_ml"]) == ("reject", report["head_volume_ml"])
        assert item["valid_volume_ml"] is None
        (row,) = csv.DictReader(io.StringIO(client.get("/volume", headers={"Accept": "text/csv"}).text))
        assert (row["decision"], row["edited_volume_ml"], row["valid_volume_ml"]) == ("reject", "", "")

    def test_the_reason_stays_out_of_the_audit_trail(self, service: Service, report: dict[str, Any]) -> None:
        decide(service.client, report, "reject", SECRET)
        with Session(service.state.records.engine) as session:
            lines = session.scalars(select(AuditRow)).all()
        assert lines[-1].action == "decide"
        assert lines[-1].detail["decision"] == "reject"
        assert SECRET not in str([line.detail for line in lines])
        service.state.records.repository.verify_audit_trail()

    def test_edit_needs_an_edited_mask(self, client: httpx.Client, report: dict[str, Any]) -> None:
        assert_problem(decide(client, report, "edit", "corrected"), 409, "not_edited")

    @pytest.mark.parametrize(
        "body",
        ["[]", '{"decision": "perhaps"}', '{"decision": "reject"}', '{"decision": "accept", "more": 1}', "{}"],
    )
    def test_what_is_no_decision(self, client: httpx.Client, report: dict[str, Any], body: str) -> None:
        answer = client.post(f"/segmentations/{report['id']}/decision", content=body)
        assert_problem(answer, 422, "invalid_decision")
        assert not re.search("Value error|Extra inputs|Input should|dictionary", answer.text)

    @pytest.mark.parametrize("body", ["", "{", "{bad"])
    def test_what_is_no_json(self, client: httpx.Client, report: dict[str, Any], body: str) -> None:
        answer = client.post(f"/segmentations/{report['id']}/decision", content=body)
        assert_problem(answer, 400, "malformed_json")

    def test_there_is_nothing_to_accept_where_the_verdict_is_reject(self, client: httpx.Client) -> None:
        report = post(client, volume_bytes(sphere_volume(12.0))).json()
        assert report["verdict"] == "reject"
        assert_problem(decide(client, report, "accept"), 409, "nothing_to_accept")
        assert decide(client, report, "reject", "too small").status_code == 200
        mask, affine = smaller(client, post(client, volume_bytes(sphere_volume())).json())
        edit = put(client, report, nifti_bytes(mask, affine)).json()
        assert decide(client, report, "edit", "drawn anew").json()["head_volume_ml"] == edit["head_volume_ml"]

    def test_a_mask_of_no_heads_size_is_told_and_cannot_be_decided_for(
        self, client: httpx.Client, report: dict[str, Any]
    ) -> None:
        mask, affine = smaller(client, report)
        found = put(client, report, nifti_bytes(np.ones_like(mask), affine)).json()["findings"]
        assert (found["verdict"], found["biometry"]) == ("reject", None)
        assert {"implausible_volume", "truncated"} <= {flag["code"] for flag in found["flags"]}
        assert_problem(decide(client, report, "edit", "all of it"), 409, "nothing_to_accept")

    def test_a_second_piece_is_told(self, client: httpx.Client, report: dict[str, Any]) -> None:
        mask, affine = smaller(client, report)
        whole = smaller(client, post(client, volume_bytes(sphere_volume())).json())[0][:, :, ::-1] | mask
        assert put(client, report, nifti_bytes(whole, affine)).json()["findings"]["flags"] == []
        whole[1:6, 1:6, 1:6] = 1
        found = put(client, report, nifti_bytes(whole, affine)).json()["findings"]
        assert (found["verdict"], [flag["code"] for flag in found["flags"]]) == ("review", ["several_components"])

    def test_a_mask_that_is_replaced_asks_for_a_new_decision(
        self, service: Service, client: httpx.Client, report: dict[str, Any]
    ) -> None:
        mask, affine = smaller(client, report)
        put(client, report, nifti_bytes(mask, affine))
        decide(client, report, "edit", "neck cut off")
        reviews = service.state.records.reviews
        assert not reviews.latest([report["id"]])[report["id"]].is_outdated
        mask[:, :, -mask.shape[2] // 3 :] = 0
        put(client, report, nifti_bytes(mask, affine))
        assert reviews.latest([report["id"]])[report["id"]].is_outdated
        assert "decide again" in text_of(client.get(f"/segmentations/{report['id']}/report.pdf").content)

    def test_a_long_body_is_refused(self, client: httpx.Client, report: dict[str, Any]) -> None:
        answer = client.post(f"/segmentations/{report['id']}/decision", content=b"x" * 5000)
        assert_problem(answer, 413, "body_too_large")

    def test_of_nothing(self, shared_client: httpx.Client) -> None:
        nothing = {"id": "00000000-0000-4000-8000-000000000000"}
        assert_problem(decide(shared_client, nothing, "accept"), 404, "unknown_segmentation")

    def test_no_reason_holds_a_null_character(self, client: httpx.Client, report: dict[str, Any]) -> None:
        assert_problem(decide(client, report, "reject", "a\0b"), 422, "invalid_decision")

    def test_a_long_reason_does_not_hide_that_a_new_decision_is_needed(
        self, client: httpx.Client, report: dict[str, Any]
    ) -> None:
        decide(client, report, "reject", "a long reason\n" * 30)
        mask, affine = smaller(client, report)
        put(client, report, nifti_bytes(mask, affine))
        text = text_of(client.get(f"/segmentations/{report['id']}/report.pdf").content)
        assert text.index("decide again") < text.index("a long reason")

    def test_a_mask_of_no_heads_size_has_no_volume_before_it_is_decided_either(
        self, client: httpx.Client, report: dict[str, Any]
    ) -> None:
        mask, affine = smaller(client, report)
        for edited in (np.ones_like(mask), (np.arange(mask.size) == mask.size // 2).reshape(mask.shape)):
            put(client, report, nifti_bytes(edited.astype(np.uint8), affine))
            volumes = client.get("/volume", params={"subject": report["subject"]}).json()
            assert (volumes["items"][0]["valid_volume_ml"], volumes["summary"]["scans"]) == (None, [])
            shown = printed(client, report)
            assert "no volume" in shown.text
            headers = client.get(f"/segmentations/{report['id']}/preview.png").headers
            assert "X-Head-Volume-ml" not in headers


class TestTheMaskThatCounts:
    def test_is_the_decided_one_and_not_a_newer_one(self, client: httpx.Client, sphere: bytes) -> None:
        key = {"Idempotency-Key": "one"}
        report = client.post("/segment", files={"volume": sphere}, headers=key).json()
        mask, affine = smaller(client, report)
        decided = put(client, report, nifti_bytes(mask, affine)).json()
        decide(client, report, "edit", "neck cut off")
        put(client, report, nifti_bytes(mask[::-1].copy(), affine))
        where = f"/segmentations/{report['id']}"
        valid = client.get(f"{where}/mask?version=valid")
        assert valid.headers["X-Head-Volume-ml"] == str(decided["head_volume_ml"])
        assert (nib.Nifti1Image.from_bytes(gzip.decompress(valid.content)).get_fdata() == mask).all()
        assert printed(client, report).members["edited_mask.nii.gz"] == valid.content
        again = client.post("/segment", files={"volume": sphere}, headers={**key, "Accept": "application/gzip"})
        assert (again.content, again.headers["X-Head-Volume-ml"]) == (valid.content, str(decided["head_volume_ml"]))

    def test_is_the_models_after_it_was_accepted(self, client: httpx.Client, report: dict[str, Any]) -> None:
        where = f"/segmentations/{report['id']}"
        measured = client.get(f"{where}/mask").content
        mask, affine = smaller(client, report)
        put(client, report, nifti_bytes(mask, affine))
        decide(client, report, "accept")
        assert client.get(f"{where}/mask?version=valid").content == measured


class TestWhatIsPrinted:
    def test_nobody_looked(self, client: httpx.Client, report: dict[str, Any]) -> None:
        shown = printed(client, report)
        assert f"{report['head_volume_ml']:.1f} mL" in shown.text
        assert set(shown.members) == {"report.json", "mask.nii.gz", "preview.png"}

    def test_an_edited_mask_is_what_counts(self, client: httpx.Client, report: dict[str, Any]) -> None:
        before = printed(client, report)
        mask, affine = smaller(client, report)
        edit = put(client, report, nifti_bytes(mask, affine)).json()
        decide(client, report, "edit", "the neck was in it")
        shown = printed(client, report)
        assert f"{edit['head_volume_ml']:.1f} mL" in shown.text
        assert "Accepted as edited by anonymous" in shown.text
        assert "the neck was in it" in shown.text
        assert shown.members["edited_mask.nii.gz"] == client.get(edit["mask"]).content
        assert shown.members["mask.nii.gz"] == before.members["mask.nii.gz"]
        assert shown.members["preview.png"] == shown.preview != before.preview
        assert json.loads(shown.members["report.json"])["review"]["decision"]["reason"] == "the neck was in it"
        headers = client.get(f"/segmentations/{report['id']}/preview.png").headers
        assert headers["X-Head-Volume-ml"] == str(edit["head_volume_ml"])

    def test_a_rejected_one_says_so_and_prints_no_volume(self, client: httpx.Client, report: dict[str, Any]) -> None:
        before = printed(client, report)
        decide(client, report, "reject", "the wrong fetus")
        shown = printed(client, report)
        assert "REJECTED" in shown.text
        assert "the wrong fetus" in shown.text
        red = (pixels(shown.preview) == (255, 80, 80)).all(axis=-1).sum()
        assert red > 5000 > (pixels(before.preview) == (255, 80, 80)).all(axis=-1).sum()
        for file in ("preview.png", "mask", "probability"):
            headers = client.get(f"/segmentations/{report['id']}/{file}").headers
            assert "X-Head-Volume-ml" not in headers, file

    def test_an_accepted_one_says_by_whom(self, client: httpx.Client, report: dict[str, Any]) -> None:
        decide(client, report, "accept")
        shown = printed(client, report)
        assert "Accepted by anonymous on 20" in shown.text
        assert f"{report['head_volume_ml']:.1f} mL" in shown.text


@dataclass(frozen=True)
class Printed:
    text: str
    preview: bytes
    members: dict[str, bytes]


def printed(client: httpx.Client, report: dict[str, Any]) -> Printed:
    where = f"/segmentations/{report['id']}"
    with zipfile.ZipFile(io.BytesIO(client.get(f"{where}/archive.zip").content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    text = text_of(client.get(f"{where}/report.pdf").content)
    return Printed(text, client.get(f"{where}/preview.png").content, members)


def pixels(png: bytes) -> np.ndarray[Any, Any]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


class TestEditedMask:
    def test_its_volume_is_computed_and_the_original_is_kept(
        self, client: httpx.Client, report: dict[str, Any]
    ) -> None:
        original = client.get(report["mask"]).content
        mask, affine = smaller(client, report)
        edit = put(client, report, nifti_bytes(mask.astype(np.int16), affine)).json()
        assert edit["head_volume_ml"] == pytest.approx(mask.sum() * 8 / 1000, abs=0.01)
        answer = client.get(report["mask"])
        assert float(answer.headers["x-head-volume-ml"]) == edit["head_volume_ml"]
        stored = nib.Nifti1Image.from_bytes(gzip.decompress(answer.content))
        np.testing.assert_array_equal(np.asarray(stored.dataobj), mask)
        assert client.get(report["mask"], params={"version": "original"}).content == original
        assert client.get(report["mask"], params={"version": "edited"}).content == answer.content
        body = client.get(f"/segmentations/{report['id']}").json()
        assert body["head_volume_ml"] == report["head_volume_ml"]
        assert body["review"]["edit"]["sha256"] == edit["sha256"]
        assert decide(client, report, "edit", "the scalp").json()["head_volume_ml"] == edit["head_volume_ml"]
        item = client.get("/volume").json()["items"][0]
        assert (item["decision"], item["edited_volume_ml"]) == ("edit", edit["head_volume_ml"])
        assert item["valid_volume_ml"] == edit["head_volume_ml"]
        (row,) = csv.DictReader(io.StringIO(client.get("/volume", headers={"Accept": "text/csv"}).text))
        assert (row["decision"], float(row["edited_volume_ml"])) == ("edit", edit["head_volume_ml"])

    def test_both_masks_are_in_the_audit_trail(self, service: Service, report: dict[str, Any]) -> None:
        mask, affine = smaller(service.client, report)
        edit = put(service.client, report, nifti_bytes(mask, affine)).json()
        with Session(service.state.records.engine) as session:
            lines = {line.action: line for line in session.scalars(select(AuditRow))}
        detail = lines["edit_mask"].detail
        assert detail["sha256"] == edit["sha256"]
        assert detail["original_sha256"] == lines["complete"].detail["sha256 mask.nii.gz"]
        assert detail["original_head_volume_ml"] == report["head_volume_ml"]

    def test_each_edit_is_kept(self, service: Service, report: dict[str, Any]) -> None:
        mask, affine = smaller(service.client, report)
        for _ in range(2):
            put(service.client, report, nifti_bytes(mask, affine))
            mask[:20] = 0
        names = sorted(path.name for path in service.data.rglob("edited_mask_*"))
        assert names == ["edited_mask_1.nii.gz", "edited_mask_2.nii.gz"]

    def test_erasing_the_measurement_erases_what_readers_made_of_it(
        self, service: Service, report: dict[str, Any]
    ) -> None:
        put(service.client, report, nifti_bytes(*smaller(service.client, report)))
        decide(service.client, report, "edit", SECRET)
        assert service.client.delete(f"/segmentations/{report['id']}").status_code == 204
        with Session(service.state.records.engine) as session:
            assert session.scalars(select(EditedMaskRow)).all() == []
            assert session.scalars(select(DecisionRow)).all() == []
        assert list(service.data.rglob("edited_mask_*")) == []

    def test_another_grid(self, client: httpx.Client, report: dict[str, Any]) -> None:
        mask, affine = smaller(client, report)
        body = assert_problem(put(client, report, nifti_bytes(mask[:-1], affine)), 422, "mask_grid_differs")
        assert body["expected"] == "64 x 56 x 60"
        moved = affine.copy()
        moved[0, 3] += 3
        assert_problem(put(client, report, nifti_bytes(mask, moved)), 422, "mask_grid_differs")
        mirrored = affine @ np.diag([-1, 1, 1, 1])
        assert_problem(put(client, report, nifti_bytes(mask, mirrored)), 422, "mask_grid_differs")

    def test_a_grid_without_a_place_in_space(self, client: httpx.Client) -> None:
        codes = NiftiOptions(sform_code=0, qform_code=0, edits={"pixdim": [1, 2, 2, 2, 0, 0, 0, 0]})
        report = post(client, volume_bytes(sphere_volume(), codes)).json()
        image = nib.Nifti1Image.from_bytes(gzip.decompress(client.get(report["mask"]).content))
        answer = put(client, report, nifti_bytes(np.asarray(image.dataobj)))
        assert answer.json()["head_volume_ml"] == pytest.approx(report["head_volume_ml"], abs=0.01)

    def test_what_is_no_mask(self, client: httpx.Client, report: dict[str, Any]) -> None:
        mask, affine = smaller(client, report)
        assert_problem(put(client, report, nifti_bytes(0 * mask, affine)), 422, "empty_mask")
        mask[0, 0, 0] = 3
        assert_problem(put(client, report, nifti_bytes(mask, affine)), 422, "not_a_mask")
        assert_problem(put(client, report, b"no mask at all"), 415, "not_nifti")
        path = f"/segmentations/{report['id']}/mask"
        body = assert_problem(client.put(path, files={"mask": ("m.nii", b"x")}), 415, "not_bare")
        assert "curl -T" in body["remedy"]
        assert_problem(put(client, report, nifti_bytes(mask, affine)[:-9]), 400, "truncated")
        assert_problem(client.get(report["mask"], params={"version": "edited"}), 409, "not_edited")
