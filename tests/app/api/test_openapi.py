from pathlib import Path
from typing import Any

import pytest

from app.contract.service import Problem
from app.main import create_app
from app.problems.catalogue import PROBLEMS
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
    assert "HTTPValidationError" not in str(document["paths"])


def test_an_identifier_that_cannot_be_one_is_described_as_unknown(document: dict[str, Any]) -> None:
    assert {"404"} <= set(document["paths"]["/segmentations/{segmentation_id}"]["get"]["responses"])
    assert "422" not in document["paths"]["/segmentations/{segmentation_id}"]["get"]["responses"]


def test_what_a_mask_may_be_refused_for_is_described(document: dict[str, Any]) -> None:
    responses = document["paths"]["/segmentations/{segmentation_id}/mask"]["put"]["responses"]
    assert {"400", "404", "408", "409", "413", "415", "422", "503"} <= set(responses)


def test_a_lost_database_is_described_wherever_it_is_needed(document: dict[str, Any]) -> None:
    for path in (
        "/volume",
        "/segmentations/{segmentation_id}",
        "/segment",
        "/segmentations/{segmentation_id}/report.pdf",
    ):
        (operation,) = (
            methods[name] for methods in [document["paths"][path]] for name in ("get", "post") if name in methods
        )
        examples = operation["responses"]["503"]["content"]["application/problem+json"]["examples"]
        assert "database_unavailable" in examples, path


def test_both_ways_to_send_a_key_are_described(document: dict[str, Any]) -> None:
    schemes = document["components"]["securitySchemes"]
    assert {(scheme["type"], scheme.get("name")) for scheme in schemes.values()} == {
        ("http", None),
        ("apiKey", "X-API-Key"),
    }
    assert all(len(operation["security"]) == 2 for operation in document["paths"]["/volume"].values())


def test_accept_is_no_parameter(document: dict[str, Any]) -> None:
    for methods in document["paths"].values():
        for operation in methods.values():
            assert "accept" not in [parameter["name"].lower() for parameter in operation.get("parameters", ())]


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
