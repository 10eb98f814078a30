"""PUT /models/active: tested before, exchanged without losing a request, taken back where anything fails."""

import hashlib
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import numpy as np
import pytest

from app.cli.main import main
from app.inference.remembered_version import FILE
from tests.helpers.makers import publish_threshold_model
from tests.helpers.service import Service, assert_problem, post, running_service, until


@pytest.fixture
def store(tmp_path: Path) -> Path:
    for version in (1, 2):
        publish_threshold_model(tmp_path / "models", version)
    return tmp_path / "models"


def test_the_version_asked_for_is_served_and_counted(tmp_path: Path, store: Path, sphere: bytes) -> None:
    with running_service(tmp_path / "data", store) as service:
        assert served(service) == 2
        answer = activate(service, 1)
        assert (answer.status_code, answer.json()["model"]["version"]) == (200, 1)
        assert post(service.client, sphere).json()["model"]["version"] == 1
        lines = service.client.get("/metrics").text.splitlines()
    assert 'fetalhead_model_activations_total{result="succeeded"} 1.0' in lines
    assert [line.partition("sha256")[0] for line in lines if line.startswith("fetalhead_model_info{")] == [
        'fetalhead_model_info{name="fetal_head",precision="fp32",provider="CPUExecutionProvider",'
    ]


def test_a_restart_serves_what_was_activated(tmp_path: Path, store: Path) -> None:
    with running_service(tmp_path / "data", store) as service:
        activate(service, 1)
    with running_service(tmp_path / "data", store) as service:
        assert served(service) == 1
    with running_service(tmp_path / "data", store, model_version=2) as service:
        assert served(service) == 2


def truncated(folder: Path) -> None:
    path = folder / "context_level_1.onnx"
    path.write_bytes(path.read_bytes()[:-1])


def flipped(folder: Path) -> None:
    content = bytearray((folder / "context_level_2.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "context_level_2.onnx").write_bytes(content)


def swapped(folder: Path) -> None:
    first, second, aside = (folder / name for name in ("context_level_1.onnx", "context_level_2.onnx", "aside"))
    first.rename(aside)
    second.rename(first)
    aside.rename(second)


def missing(folder: Path) -> None:
    (folder / "selftest.npz").unlink()


def of_other_numbers(folder: Path) -> None:
    with np.load(folder / "selftest.npz") as arrays:
        volume, probability = arrays["volume"], arrays["probability"]
    np.savez_compressed(folder / "selftest.npz", volume=volume, probability=1 - probability)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["selftest"]["sha256"] = hashlib.sha256((folder / "selftest.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))


DAMAGES = [
    (truncated, "hash_mismatch"),
    (flipped, "hash_mismatch"),
    (swapped, "hash_mismatch"),
    (missing, "file_missing"),
    (of_other_numbers, "selftest_failed"),
]


@pytest.mark.parametrize(("damage", "code"), DAMAGES)
class TestDamage:
    def test_the_good_model_stays(
        self, tmp_path: Path, store: Path, sphere: bytes, damage: Callable[[Path], None], code: str
    ) -> None:
        damage(store / "fetal_head/2")
        with running_service(tmp_path / "data", store, model_version=1) as service:
            problem = assert_problem(activate(service, 2), 409, "activation_failed")
            assert code in problem["detail"]
            assert str(tmp_path) not in problem["detail"]
            assert post(service.client, sphere).json()["model"]["version"] == 1
            assert 'activations_total{result="failed"} 1.0' in service.client.get("/metrics").text
        assert not (tmp_path / "data" / FILE).exists()

    def test_a_service_without_a_good_one_is_unready_and_says_why(
        self, tmp_path: Path, store: Path, sphere: bytes, damage: Callable[[Path], None], code: str
    ) -> None:
        damage(store / "fetal_head/2")
        with running_service(tmp_path / "data", store, wait=False) as service:
            until(lambda: service.client.get("/health/ready").json().get("code") != "not_ready")
            assert code in assert_problem(service.client.get("/health/ready"), 503, "model_failed")["detail"]
            assert_problem(post(service.client, sphere), 503, "model_failed")
            assert activate(service, 1).status_code == 200
            assert post(service.client, sphere).json()["model"]["version"] == 1


def test_an_unknown_version_and_one_that_is_none(tmp_path: Path, store: Path) -> None:
    with running_service(tmp_path / "data", store) as service:
        assert_problem(activate(service, 9), 404, "unknown_model")
        assert_problem(service.client.put("/models/active", json={"version": "newest"}), 422, "invalid_parameter")
        assert served(service) == 2


def test_a_choice_that_cannot_be_remembered_is_not_made(tmp_path: Path, store: Path) -> None:
    with running_service(tmp_path / "data", store) as service:
        (tmp_path / "data" / FILE).mkdir()  # a folder where the file should be: even root cannot write it
        problem = assert_problem(activate(service, 1), 409, "activation_failed")
        assert "not_remembered" in problem["detail"]
        assert served(service) == 2


@pytest.mark.slow
def test_no_request_is_lost_while_models_are_exchanged(tmp_path: Path, store: Path, sphere: bytes) -> None:
    answers: list[httpx.Response] = []
    stop = threading.Event()
    with running_service(tmp_path / "data", store) as service:

        def measure() -> None:
            with httpx.Client(base_url=service.client.base_url, timeout=60) as client:
                while not stop.is_set():
                    answers.append(post(client, sphere))

        threads = [threading.Thread(target=measure) for _ in range(3)]
        for thread in threads:
            thread.start()
        for version in (1, 2) * 5:
            before = len(answers)
            assert activate(service, version).status_code == 200
            until(partial(measured_by, version, answers, before))
        stop.set()
        for thread in threads:
            thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert set(versions(answers)) == {1, 2}


class TestCommand:
    @pytest.fixture(autouse=True)
    def settings(self, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        own = {"DATA_DIR": tmp_path / "data", "MODEL_STORE": store, "PROVIDER": "cpu", "THREADS": 1}
        for name, value in own.items():
            monkeypatch.setenv(f"FETALHEAD_{name}", str(value))

    def test_the_next_start(self, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "activate", "1"]) == 0
        assert "the next start serves it" in capsys.readouterr().out
        with running_service(tmp_path / "data", store) as service:
            assert served(service) == 1

    def test_a_running_service(self, tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with running_service(tmp_path / "data", store) as service:
            url = str(service.client.base_url)
            assert main(["models", "activate", "1", "--url", url]) == 0
            assert served(service) == 1
            assert main(["models", "activate", "9", "--url", url]) == 3
        captured = capsys.readouterr()
        assert captured.out == "fetal_head 1 is served (CPUExecutionProvider)\n"
        assert "has no such version" in captured.err

    def test_a_damaged_version_is_refused(self, store: Path, capsys: pytest.CaptureFixture[str]) -> None:
        truncated(store / "fetal_head/2")
        assert main(["models", "activate", "2"]) == 3
        assert "context_level_1.onnx" in capsys.readouterr().err
        assert main(["models", "verify"]) == 1

    def test_a_damaged_memory_is_named(self, tmp_path: Path, store: Path) -> None:
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / FILE).write_text("{")
        with running_service(tmp_path / "data", store, wait=False) as service:
            until(lambda: service.client.get("/health/ready").json().get("code") != "not_ready")
            assert "bad_activation" in service.client.get("/health/ready").json()["detail"]


def activate(service: Service, version: int) -> httpx.Response:
    return service.client.put("/models/active", json={"version": version}, timeout=60)


def measured_by(version: int, answers: list[httpx.Response], first: int) -> bool:
    return version in versions(answers[first:])


def versions(answers: list[httpx.Response]) -> list[int]:
    return [answer.json()["model"]["version"] for answer in answers if answer.is_success]


def served(service: Service) -> int:
    version: int = service.client.get("/health/ready").json()["model"]["version"]
    return version
