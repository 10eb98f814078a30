import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.helpers.makers import publish_threshold_model
from tests.helpers.service import assert_problem, running_service, until


class TestList:
    def test_each_version_and_which_is_served(self, tmp_path: Path) -> None:
        for version in (1, 2):
            publish_threshold_model(tmp_path / "models", version)
        with running_service(tmp_path / "data", tmp_path / "models", model_version=1) as service:
            models = service.client.get("/models").json()["models"]
        assert [(model["version"], model["active"]) for model in models] == [(1, True), (2, False)]
        assert models[0]["data"] == "none"

    def test_a_damaged_manifest_is_named_and_hides_nothing_else(self, tmp_path: Path) -> None:
        for version in (1, 2):
            publish_threshold_model(tmp_path / "models", version)
        (tmp_path / "models/fetal_head/2/manifest.json").write_text("{}")
        with running_service(tmp_path / "data", tmp_path / "models", model_version=1) as service:
            models = service.client.get("/models").json()["models"]
            answer = service.client.get("/models/2")
            assert_problem(answer, 503, "model_failed")
            assert int(answer.headers["Retry-After"]) > 0
        assert [model["damage"] for model in models] == [None, "bad_manifest"]


class TestDetail:
    def test_manifest_card_and_evaluation(self, shared_client: httpx.Client) -> None:
        model = shared_client.get("/models/1").json()
        assert model["active"] is True
        assert model["manifest"]["name"] == "fetal_head"
        assert model["model_card"].startswith("# Threshold networks")
        assert model["evaluation"] == {"data": "none"}

    def test_an_unknown_version(self, shared_client: httpx.Client) -> None:
        assert_problem(shared_client.get("/models/9"), 404, "unknown_model")

    @pytest.mark.parametrize("version", ["0", "-1", "one", "../1"])
    def test_a_version_that_is_none(self, shared_client: httpx.Client, version: str) -> None:
        assert shared_client.get(f"/models/{version}").status_code in {404, 422}

    @pytest.mark.parametrize(("file", "content"), [("evaluation.json", b"{bad"), ("model_card.md", b"\xff\xfe")])
    def test_a_version_whose_papers_cannot_be_read(self, tmp_path: Path, file: str, content: bytes) -> None:
        for version in (1, 2):
            publish_threshold_model(tmp_path / "models", version)
        (tmp_path / "models/fetal_head/2" / file).write_bytes(content)
        with running_service(tmp_path / "data", tmp_path / "models", model_version=1) as service:
            answer = service.client.get("/models/2")
        assert "bad_evaluation" in answer.text or "file_unreadable" in answer.text
        assert_problem(answer, 503, "model_failed")


class TestActivationBody:
    @pytest.mark.parametrize("body", [b"{bad", b"", b'{"version": 1'])
    def test_what_is_no_json(self, shared_client: httpx.Client, body: bytes) -> None:
        answer = shared_client.put("/models/active", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == (400 if body else 422)
        assert answer.json()["code"] == ("malformed_json" if body else "invalid_parameter")

    @pytest.mark.parametrize(
        ("body", "detail", "expected"),
        [
            ("[]", "The body is not a JSON object.", "application/json"),
            ("{}", "The member version is missing.", ""),
            ('{"version": 0}', "The member version cannot be used.", "greater than or equal to 1"),
            ('{"version": 1, "colour": 2}', "The member colour is not known here.", ""),
        ],
    )
    def test_what_names_no_version(self, shared_client: httpx.Client, body: str, detail: str, expected: str) -> None:
        answer = shared_client.put("/models/active", content=body, headers={"Content-Type": "application/json"})
        problem = assert_problem(answer, 422, "invalid_parameter")
        assert problem["detail"] == detail
        assert expected in problem.get("expected", "")

    def test_a_body_that_is_not_said_to_be_json(self, shared_client: httpx.Client) -> None:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = shared_client.put("/models/active", content='{"version": 1}', headers=headers)
        assert "application/json" in assert_problem(answer, 422, "invalid_parameter")["expected"]


class TestFailure:
    def test_a_model_whose_weights_were_altered_is_not_served(self, tmp_path: Path) -> None:
        folder = publish_threshold_model(tmp_path / "models")
        with (folder / "context_level_2.onnx").open("ab") as file:
            file.write(b"x")
        assert "hash_mismatch" in refusal(tmp_path)["detail"]

    def test_a_model_that_fails_its_self_test_is_not_served(self, tmp_path: Path) -> None:
        folder = publish_threshold_model(tmp_path / "models")
        with np.load(folder / "selftest.npz") as arrays:
            volume, probability = arrays["volume"], arrays["probability"]
        np.savez_compressed(folder / "selftest.npz", volume=volume, probability=1 - probability)
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["selftest"]["sha256"] = hashlib.sha256((folder / "selftest.npz").read_bytes()).hexdigest()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        assert "selftest_failed" in refusal(tmp_path)["detail"]


def refusal(folder: Path) -> dict[str, Any]:
    """The problem that a service on this folder's models answers with."""
    with running_service(folder / "data", folder / "models", wait=False) as service:
        until(lambda: service.client.get("/health/ready").json()["code"] != "not_ready")
        assert "fetalhead_model_ready 0.0" in service.client.get("/metrics").text
        answer = service.client.get("/health/ready")
        assert str(folder) not in answer.text
        return assert_problem(answer, 503, "model_failed")
