"""The result of one case: its report, or the problem that prevented it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.batch.cases import Case
from app.contract.report import Report
from app.files import path_text

CaseState = Literal["measured", "kept", "failed"]


class CaseReport(Report):
    """A report beside its files, which `mask` and `preview` name."""

    report: str | None = Field(None, exclude_if=lambda name: name is None)
    """The name of the page, where one was requested."""
    file: str
    """The scan's path as it was named."""
    path_sha256: str
    """SHA-256 of the scan's absolute path."""
    file_sha256: dict[str, str]
    """SHA-256 of each file, by its name."""


class CaseProblem(BaseModel):
    """The reason why a case has no report; a problem's other members are kept for programs."""

    model_config = ConfigDict(frozen=True, extra="allow")

    code: str
    detail: str
    expected: str | None = None
    remedy: str | None = None


class CaseError(Exception):
    """A case that the engine could not measure."""

    def __init__(self, problem: CaseProblem) -> None:
        super().__init__(problem.code)
        self.problem = problem


@dataclass(frozen=True)
class BatchResult:
    """The result of one case; `files` are files that were not written, by kind."""

    case: Case
    outcome: Report | CaseProblem
    state: CaseState
    files: Mapping[str, bytes] | None = field(default=None, repr=False)

    def document(self) -> dict[str, Any]:
        """Return the report or the problem, with the path of the file, as a JSON object."""
        unknown = {name for name, value in self.outcome if value is None} if self.state == "failed" else None
        document = self.outcome.model_dump(mode="json", exclude=unknown)
        file = path_text(self.case.path)
        return {"file": file, **document} | {"file": file}
