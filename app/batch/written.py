"""The files of one case in the folder for results: all of one measurement, and never over a file of somebody else.

The report holds the SHA-256 of each file beside it, and of itself. A file is ours where a report says so; while files
are replaced, so does a journal, and whoever is stopped there can go on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from app.batch.cases import Case
from app.batch.lock import locked
from app.batch.results import CaseError, CaseProblem, CaseReport
from app.contract.report import MASK, PREVIEW, Measurement
from app.contract.upload import Upload
from app.files import digest, digest_file, flush, path_text, read_regular, write_atomically, write_partial

CSV, JSONL = "results.csv", "results.jsonl"
"""The tables of a folder for results."""
PAGE: Final = "report.pdf"
HASHES: Final = "file_sha256"
ELSEWHERE: Final = "Name another folder with -o, or move that file away."


def write_case(case: Case, upload: Upload, measured: Measurement, output: Path) -> CaseReport:
    """Write the files, and the report last; return the report.

    Raises:
        CaseError: a file of that name is there which this command did not make, or which was changed since.
        OSError: a file cannot be written; those of an earlier measurement are as they were.
    """
    report_path = case.report_path(output)
    report_path.parent.mkdir(parents=True, exist_ok=True)
    contents = {case.file_path(output, kind): measured.files[kind] for kind in _kinds(measured.files)}
    report = _describe(case, upload, measured, contents)
    document = _seal(report.model_dump(mode="json"), report_path.name)
    partials: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            partials[path] = write_partial(path, content)
        partials[report_path] = write_partial(report_path, json.dumps(document, indent=2) + "\n")
        with locked(output):
            check_targets(case, upload, output, pdf=PAGE in measured.files)
            _replace(case, partials, {path.name: digest(content) for path, content in contents.items()}, output)
    finally:
        for partial in partials.values():
            partial.unlink(missing_ok=True)
    return report


def find_reports(output: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of the report of each mask below a folder for results, but for folders with own tables."""
    for folder, below, names in os.walk(output):
        below[:] = [name for name in below if not (name.startswith(".") or Path(folder, name, JSONL).exists())]
        for stem in sorted(name.removesuffix(f"_{MASK}") for name in names if name.endswith(f"_{MASK}")):
            yield Path(folder, stem).relative_to(output).as_posix(), Path(folder, f"{stem}.json")


def read_whole(report_path: Path) -> CaseReport | None:
    """Return the report at a path where it and every file that it names are as they were written; None otherwise."""
    try:
        document = _read_sealed(report_path)
        report = CaseReport.model_validate_json(json.dumps(document), extra="ignore")
        names = [name for name in (report.mask, report.preview, report.report) if name is not None]
        beside = all(digest_file(report_path.parent / name) == report.file_sha256.get(name) for name in names)
    except (OSError, ValueError):
        return None
    return report if beside else None


def check_targets(case: Case, upload: Upload, output: Path, pdf: bool) -> None:
    """Raise a CaseError where the case would be written over a file that is not ours, or over another scan's result."""
    report_path = case.report_path(output)
    ours, earlier = _recorded(report_path), _read_sealed(report_path)
    if os.path.lexists(report_path) and earlier is None:
        raise _refusal(report_path)
    journal = _journal(report_path)
    if os.path.lexists(journal) and _read_object(journal) is None:
        raise _refusal(journal)
    if earlier is not None and _is_of_another_scan(earlier, case, upload):
        detail = f"The file {path_text(report_path)} is the result of {earlier.get('file')} and is left as it is."
        remedy = "Name another folder with -o."
        raise CaseError(CaseProblem(code="result_of_another_file", detail=detail, remedy=remedy))
    for kind in (MASK, PREVIEW, *([PAGE] if pdf else [])):
        path = case.file_path(output, kind)
        if os.path.lexists(path) and not _is_recorded(path, ours):
            raise _refusal(path)


def hash_path(path: Path) -> str:
    """Return the SHA-256 of an absolute path: it tells two scans of one name apart, and gives no name away."""
    return digest(os.fsencode(path.absolute()))


def _kinds(files: Mapping[str, bytes]) -> list[str]:
    return [kind for kind in (MASK, PREVIEW, PAGE) if kind in files]


def _describe(case: Case, upload: Upload, measured: Measurement, contents: Mapping[Path, bytes]) -> CaseReport:
    names = {kind.partition(".")[0]: f"{Path(case.name).name}_{kind}" for kind in _kinds(measured.files)}
    return CaseReport(
        **{
            **dict(measured.report),
            **names,
            "file": path_text(case.path),
            "path_sha256": hash_path(case.path),
            "file_sha256": {path.name: digest(content) for path, content in contents.items()},
        }
    )


def _replace(case: Case, partials: Mapping[Path, Path], hashes: Mapping[str, str], output: Path) -> None:
    """Rename the files, the report last; between the first and the last, a journal says that the new ones are ours."""
    report_path = case.report_path(output)
    journal, earlier = _journal(report_path), _recorded(report_path)
    write_atomically(journal, json.dumps({HASHES: hashes}) + "\n")
    for path, partial in partials.items():
        partial.replace(path)
    page = case.file_path(output, PAGE)
    if page not in partials and _is_recorded(page, earlier):
        page.unlink()
    flush(report_path.parent)
    journal.unlink()


def _recorded(report_path: Path) -> set[tuple[str, str]]:
    """Return name and hash of each file that a report of ours, or the journal of a run that was stopped, records."""
    documents = [_read_sealed(report_path), _read_object(_journal(report_path))]
    return {(name, str(of)) for document in documents if document for name, of in _hashes(document).items()}


def _is_recorded(path: Path, recorded: set[tuple[str, str]]) -> bool:
    return path.is_file() and (path.name, digest_file(path)) in recorded


def _journal(report_path: Path) -> Path:
    return report_path.with_name(f".{report_path.name}.writing")


def _seal(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a report with the hash of its own content among those of its files."""
    others = {other: of for other, of in _hashes(document).items() if other != name}
    content = json.dumps({**document, HASHES: others}, sort_keys=True)
    return {**document, HASHES: {**others, name: digest(content)}}


def _read_sealed(path: Path) -> dict[str, Any] | None:
    """Return a report that this command wrote, in any version, and nobody changed since; None for anything else."""
    document = _read_object(path)
    return document if document and _seal(document, path.name) == document else None


def _read_object(path: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _hashes(document: Mapping[str, Any]) -> dict[str, Any]:
    hashes = document.get(HASHES)
    return hashes if isinstance(hashes, dict) else {}


def _is_of_another_scan(report: Mapping[str, Any], case: Case, upload: Upload) -> bool:
    """Return whether both the path and the content of the scan differ from what the report is about."""
    measured = report.get("input")
    content = measured.get("sha256") if isinstance(measured, dict) else None
    return report.get("path_sha256") != hash_path(case.path) and content != upload.sha256


def _refusal(path: Path) -> CaseError:
    detail = f"The file {path_text(path)} was not written by this command, or was changed since, and is left as it is."
    return CaseError(CaseProblem(code="file_not_ours", detail=detail, remedy=ELSEWHERE))
