"""`import fetalhead`, as somebody else's program does."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fetalhead
from tests.helpers.makers import publish_threshold_model, sphere_ml, sphere_volume, volume_bytes
from tests.helpers.repository import ROOT

HEAVY = {"app", "fastapi", "httpx", "nibabel", "numpy", "onnxruntime", "openvino", "pydantic", "scipy", "sqlalchemy"}


def loaded_after(code: str) -> set[str]:
    command = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split())


def test_it_costs_nothing_to_import() -> None:
    assert loaded_after("import fetalhead") & HEAVY == set()


def test_the_client_brings_no_web_framework_and_no_runtime() -> None:
    server = {"fastapi", "onnxruntime", "openvino", "sqlalchemy", "starlette", "uvicorn"}
    assert loaded_after("from fetalhead import FetalHead") & server == set()


def test_every_name_is_there_once_and_is_that_of_its_home() -> None:
    homes = {name: home for home, names in fetalhead.HOMES.items() for name in names}
    assert sorted(homes) == fetalhead.__all__
    for name, home in homes.items():
        assert getattr(fetalhead, name) is getattr(importlib.import_module(home), name)


def test_everything_of_the_client_is_public() -> None:
    client = importlib.import_module("app.client")
    assert set(client.__all__) <= set(fetalhead.__all__) <= set(dir(fetalhead))


def test_another_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'FetalFoot'"):
        fetalhead.FetalFoot  # type: ignore[attr-defined]  # noqa: B018


def test_a_head_is_measured_without_a_service(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path)
    model = fetalhead.ModelStore(tmp_path).resolve("fetal_head")
    segmenter = fetalhead.HeadSegmenter(model, fetalhead.RuntimeSettings(provider="cpu", threads=1))
    found = segmenter.segment(fetalhead.decode_nifti(volume_bytes(sphere_volume())).volume)
    assert found.head_volume_ml == pytest.approx(sphere_ml(), rel=0.01)
