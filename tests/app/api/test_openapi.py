from pathlib import Path
from typing import Any

import pytest

from app.api.problems import PROBLEMS
from app.api.schemas import Problem
from app.main import create_app
from app.settings import Settings

CONTRACT = {
    "/segment": {"post"},
    "/segmentations/{segmentation_id}": {"get", "delete"},
    "/segmentations/{segmentation_id}/mask": {"get"},
    "/segmentations/{segmentation_id}/preview.png": {"get"},
    "/volume": {"get"},
    "/subjects/{subject}": {"delete"},
    "/models": {"get"},
    "/models/active": {"put"},
    "/models/{version}": {"get"},
    "/health/live": {"get"},
    "/health/ready": {"get"},
    "/metrics": {"get"},
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return create_app(Settings(data_dir=tmp_path_factory.mktemp("data"))).openapi()


def test_it_describes_every_route_of_the_contract(document: dict[str, Any]) -> None:
    described = {path: set(methods) for path, methods in document["paths"].items()}
    assert {path: methods for path, methods in CONTRACT.items() if not methods <= described.get(path, set())} == {}


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(part: Any) -> set[str]:
        if isinstance(part, dict):
            own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
            return own.union(*map(references, part.values()))
        return set().union(*map(references, part)) if isinstance(part, list) else set()

    names = {reference.removeprefix("#/components/schemas/") for reference in references(document["paths"])}
    assert names <= set(document["components"]["schemas"])


def test_no_answer_is_described_that_is_never_given(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]


def test_the_upload_is_described(document: dict[str, Any]) -> None:
    form = document["paths"]["/segment"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["required"] == ["volume"]
    assert set(form["properties"]) == {"volume", "gestational_age_weeks", "subject", "spacing_mm"}


def test_problems_are_described_with_examples(document: dict[str, Any]) -> None:
    found = set()
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                content = answer.get("content", {}).get("application/problem+json", {})
                for code, example in content.get("examples", {}).items():
                    Problem.model_validate(example["value"])
                    found.add(code)
    assert found <= set(PROBLEMS)
    assert {"queue_full", "not_measurable", "key_reused", "unknown_segmentation"} <= found


def test_building_an_application_writes_nothing(tmp_path: Path) -> None:
    create_app(Settings(data_dir=tmp_path / "data"))
    assert list(tmp_path.iterdir()) == []
