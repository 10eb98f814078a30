import ast
from collections.abc import Iterator

import pytest

from app.imaging.errors import ImagingError, NotAVolumeFile, NotMeasurable, TooLarge, UnreadableFile
from app.problems.catalogue import PROBLEMS
from app.problems.translate import INTERNAL_CODES, translate_error
from tests.helpers.repository import ROOT

DOCUMENT = (ROOT / "docs" / "errors.md").read_text("utf-8")
STATUS = {"UnreadableFile": 400, "TooLarge": 413, "NotAVolumeFile": 415, "NotMeasurable": 422, "ImagingError": 422}


def raised_by_imaging() -> Iterator[tuple[str, str]]:
    """Class and code of every error that app.imaging constructs, read from its source."""
    for path in sorted((ROOT / "app" / "imaging").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in STATUS:
                codes = [part.value for part in ast.walk(node.args[0]) if isinstance(part, ast.Constant)]
                yield from ((node.func.id, code) for code in codes if isinstance(code, str))


IMAGING = sorted({item for item in raised_by_imaging() if item[1] not in INTERNAL_CODES})


@pytest.mark.parametrize("code", PROBLEMS)
def test_every_problem_is_documented(code: str) -> None:
    kind = PROBLEMS[code]
    assert f"| `{code}` | {kind.status} | {kind.meaning} | {kind.remedy} |" in DOCUMENT


def test_nothing_is_documented_that_does_not_exist() -> None:
    assert [line.split("`")[1] for line in DOCUMENT.splitlines() if line.startswith("| `")] == list(PROBLEMS)


@pytest.mark.parametrize(("kind", "code"), IMAGING)
def test_every_code_of_imaging_is_a_problem_with_the_status_of_its_class(kind: str, code: str) -> None:
    assert code in PROBLEMS, f"{code} is raised in app/imaging, but it is not in app/problems/catalogue.py"
    assert PROBLEMS[code].status == STATUS[kind]


def test_imaging_raises_what_the_table_has() -> None:
    fallbacks = {"unreadable", "too_large", "not_a_volume", "not_measurable"}
    assert len(IMAGING) > 20
    assert {code for _, code in IMAGING} | fallbacks >= {
        code for code, kind in PROBLEMS.items() if kind.title in {"Unreadable file", "Not measurable"}
    }


class TestTranslation:
    @pytest.mark.parametrize(
        ("error", "status"),
        [
            (UnreadableFile("new_code", "what"), 400),
            (TooLarge("new_code", "what"), 413),
            (NotAVolumeFile("new_code", "what"), 415),
            (NotMeasurable("new_code", "what"), 422),
            (ImagingError("new_code", "what"), 422),
        ],
    )
    def test_a_code_that_is_not_in_the_table_keeps_its_status(self, error: ImagingError, status: int) -> None:
        problem = translate_error(error)
        assert problem.kind.status == status
        assert problem.problem.detail == "What."

    def test_a_fault_of_this_program_is_not_blamed_on_the_client(self) -> None:
        assert translate_error(ImagingError("grids_not_aligned", "what")).kind.status == 500

    def test_an_unforeseen_error_shows_nothing(self) -> None:
        problem = translate_error(RuntimeError("Jane Doe")).problem
        assert problem.status == 500
        assert "Jane" not in str(problem)
        assert problem.id is not None
        assert problem.id in problem.detail
