from pathlib import Path

import httpx
import pytest

from app.imaging.nifti.file import decode_nifti
from app.imaging.postprocess import head_volume_ml
from tests.helpers.makers import publish_threshold_model
from training.cli.demo import (
    Comparison,
    DemoError,
    demonstrate,
    main,
    running_service,
)
from training.phantom import SimulationRequest

COARSE = SimulationRequest(seed=7, weeks=26.0, spacing=2.0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "store"
    publish_threshold_model(folder)
    monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(folder))
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("store")
def test_it_measures_through_a_running_service_and_leaves_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    comparison = demonstrate(COARSE, folder)
    assert {file.name for file in folder.iterdir()} == {
        "mask.nii.gz",
        "preview.png",
        "report.json",
        "service.log",
        "truth.nii.gz",
        "volume.nii.gz",
    }
    assert (folder / "preview.png").read_bytes().startswith(b"\x89PNG")
    assert len((folder / "report.json").read_text().splitlines()) > 20
    truth = decode_nifti((folder / "truth.nii.gz").read_bytes()).volume
    assert head_volume_ml(truth.data, truth.geometry) == pytest.approx(comparison.true_ml, rel=1e-5)
    assert comparison.true_ml == pytest.approx(320, rel=0.03)
    assert 0 <= comparison.dsc <= 1


@pytest.mark.usefixtures("store")
def test_the_service_is_stopped_when_a_step_fails(tmp_path: Path) -> None:
    with pytest.raises(DemoError) as failed:
        fail_beside_the_service(tmp_path / "service.log")
    with pytest.raises(httpx.ConnectError):
        httpx.get(str(failed.value), trust_env=False)


@pytest.mark.slow
def test_a_service_without_a_model_fails_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "empty"))
    assert main([str(tmp_path / "output"), "--spacing", "3"]) == 1
    assert "demo failed" in capsys.readouterr().out


def test_a_service_that_ends_is_reported_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FETALHEAD_NO_SUCH_SETTING", "1")
    with pytest.raises(DemoError, match="FETALHEAD_NO_SUCH_SETTING"):
        demonstrate(COARSE, tmp_path / "output")


@pytest.mark.parametrize(
    ("measured_ml", "verdict", "good"),
    [(100.0, "ok", True), (114.9, "review", True), (85.1, "ok", True), (115.1, "ok", False), (100.0, "reject", False)],
)
def test_what_counts_as_good(measured_ml: float, verdict: str, good: bool) -> None:
    assert Comparison(measured_ml, 100.0, 0.95, verdict).good is good


def test_a_rejected_volume_without_a_number_is_not_good() -> None:
    assert not Comparison(float("nan"), 100.0, 0.0, "reject").good


def fail_beside_the_service(log: Path) -> None:
    with running_service(log) as service:
        raise DemoError(service.url)
