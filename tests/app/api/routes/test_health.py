import hashlib
import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

import httpx
import onnx
import pytest
from onnx import TensorProto, helper

from app.inference.runtime.engine import CPU, OPENVINO
from app.inference.runtime.session import preferred_provider
from tests.helpers.makers import publish_threshold_model, threshold_network
from tests.helpers.runtimes import needs
from tests.helpers.service import Service, assert_problem, post, running_service


class TestLive:
    def test_it_answers_before_the_model_is_there(self, tmp_path: Path) -> None:
        with running_service(tmp_path / "data", tmp_path / "none", wait=False) as service:
            answer = service.client.get("/health/live")
        assert answer.status_code == 200
        assert answer.json()["status"] == "alive"


class TestVersion:
    def test_it_is_told_wherever_somebody_asks_what_runs(self, shared_client: httpx.Client, sphere: bytes) -> None:
        own = version("fetalhead")
        assert shared_client.get("/health/live").json()["version"] == own
        assert shared_client.get("/health/ready").json()["version"] == own
        assert post(shared_client, sphere).json()["software_version"] == own
        assert values(shared_client)[f'fetalhead_build_info{{version="{own}"}}'] == 1


class TestHead:
    @pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/volume", "/models", "/metrics", "/docs", "/"])
    def test_it_is_answered_as_get_is_without_a_body(self, shared_client: httpx.Client, path: str) -> None:
        head, get = shared_client.head(path), shared_client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-type"] == get.headers["content-type"]

    def test_it_needs_something_to_get(self, shared_client: httpx.Client) -> None:
        assert shared_client.head("/segment").status_code == 405
        assert shared_client.head("/nothing").status_code == 404

    def test_it_is_counted_as_itself(self, client: httpx.Client) -> None:
        client.head("/health/live")
        counted = 'fetalhead_requests_total{method="HEAD",route="/health/live",status="200"}'
        assert values(client)[counted] == 1


class TestReady:
    def test_it_names_the_model_and_the_provider_that_runs(self, shared_client: httpx.Client) -> None:
        body = shared_client.get("/health/ready").json()
        assert body["status"] == "ready"
        assert (body["model"]["name"], body["model"]["version"]) == ("fetal_head", 1)
        assert body["runtime"]["provider"] == "CPUExecutionProvider"
        assert (body["requested_provider"], body["fallback"]) == ("cpu", False)

    def test_auto_runs_what_the_runtime_was_built_for(self, tmp_path: Path, model_store: Path) -> None:
        with running_service(tmp_path, model_store, provider="auto") as service:
            body = service.client.get("/health/ready").json()
        assert body["runtime"]["provider"] == preferred_provider("auto")
        assert (body["requested_provider"], body["fallback"]) == ("auto", False)

    @needs(OPENVINO)
    def test_where_openvino_cannot_take_a_network_the_fallback_is_said(self, tmp_path: Path, sphere: bytes) -> None:
        publish_model_beyond_openvino(tmp_path / "models")
        with running_service(tmp_path / "data", tmp_path / "models", provider="auto") as service:
            body = service.client.get("/health/ready").json()
            report = post(service.client, sphere).json()
            assert values(service.client)["fetalhead_provider_fallback"] == 1
        assert (body["runtime"]["provider"], body["fallback"]) == (CPU, True)
        assert report["runtime"]["provider"] == CPU

    @needs(OPENVINO)
    def test_without_openvino_the_plain_provider_is_what_there_is(
        self, tmp_path: Path, model_store: Path, sphere: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "openvino", None)
        with running_service(tmp_path, model_store, provider="auto") as service:
            body = service.client.get("/health/ready").json()
            assert post(service.client, sphere).json()["runtime"] == body["runtime"]
            assert values(service.client)["fetalhead_provider_fallback"] == body["fallback"]
        assert (body["runtime"]["provider"], body["fallback"]) == (preferred_provider("auto"), False)

    @needs(OPENVINO)
    def test_openvino_serves_without_onnx_runtime(
        self, tmp_path: Path, model_store: Path, sphere: bytes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "onnxruntime", None)
        with running_service(tmp_path, model_store, provider="auto") as service:
            body = service.client.get("/health/ready").json()
            assert post(service.client, sphere).status_code == 200
        assert (body["runtime"]["provider"], body["fallback"]) == (OPENVINO, False)

    def test_a_provider_that_cannot_run_is_no_silent_fallback(self, tmp_path: Path, model_store: Path) -> None:
        with running_service(tmp_path, model_store, wait=False, provider="cuda") as service:
            while (answer := service.client.get("/health/ready")).status_code == 503:
                if answer.json()["code"] == "model_failed":
                    break
        if answer.status_code == 503:
            assert "provider_unavailable" in assert_problem(answer, 503, "model_failed")["detail"]
        else:
            assert answer.json()["runtime"]["provider"] == "CUDAExecutionProvider"


class TestMetrics:
    def test_a_measurement_is_counted(self, service: Service, sphere: bytes) -> None:
        post(service.client, sphere)
        post(service.client, b"no volume")
        metrics = values(service.client)
        assert metrics['fetalhead_requests_total{method="POST",route="/segment",status="200"}'] == 1
        assert metrics['fetalhead_requests_total{method="POST",route="/segment",status="415"}'] == 1
        assert metrics['fetalhead_rejected_total{reason="not_nifti"}'] == 1
        assert metrics['fetalhead_segmentations_total{verdict="ok"}'] == 1
        assert metrics['fetalhead_stage_duration_seconds_count{stage="context_level_2"}'] == 1
        assert metrics["fetalhead_head_volume_ml_count"] == 1
        assert metrics["fetalhead_context_agreement_dsc_count"] == 1
        assert metrics["fetalhead_input_voxels_sum"] == 64 * 56 * 60
        assert metrics["fetalhead_queue_wait_seconds_count"] == 1
        assert (metrics["fetalhead_queue_depth"], metrics["fetalhead_in_flight"]) == (0, 0)

    def test_the_model_is_described(self, shared_client: httpx.Client) -> None:
        metrics = values(shared_client)
        (info,) = [name for name in metrics if name.startswith("fetalhead_model_info")]
        assert 'provider="CPUExecutionProvider"' in info
        assert (metrics["fetalhead_model_ready"], metrics["fetalhead_provider_fallback"]) == (1, 0)

    def test_paths_do_not_become_labels(self, shared_client: httpx.Client) -> None:
        shared_client.get("/segmentations/Jane-Doe")
        shared_client.get("/no/such/Jane-Doe")
        text = shared_client.get("/metrics").text
        assert "Jane" not in text
        assert 'route="/segmentations/{segmentation_id}"' in text
        assert 'route="other"' in text

    def test_process_and_python_are_there(self, shared_client: httpx.Client) -> None:
        text = shared_client.get("/metrics").text
        assert "process_resident_memory_bytes" in text
        assert "python_gc_objects_collected_total" in text


def values(client: httpx.Client) -> dict[str, float]:
    lines = [line for line in client.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (re.split(r" (?=\S+$)", line) for line in lines)}


def publish_model_beyond_openvino(root: Path) -> None:
    """Both levels multiplied by the determinant of (1), an operation that OpenVINO does not have."""
    folder = publish_threshold_model(root)
    manifest = json.loads((folder / "manifest.json").read_text())
    for number, level in enumerate(manifest["levels"], start=1):
        model = onnx.load_from_string(threshold_network(number))
        graph = model.graph
        graph.node[-1].output[0] = "answer"
        graph.initializer.append(helper.make_tensor("matrix", TensorProto.FLOAT, [1, 1], [1.0]))
        graph.node.append(helper.make_node("Det", ["matrix"], ["determinant"]))
        graph.node.append(helper.make_node("Mul", ["answer", "determinant"], ["probability"]))
        content = model.SerializeToString()
        (folder / level["file"]).write_bytes(content)
        level |= {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
