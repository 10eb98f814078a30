"""What a list says of each scan, and its mistakes with their lines."""

import csv
from pathlib import Path

import pytest

from app.batch.case_list import describe_cases
from app.batch.cases import BatchError, Case, find_cases
from app.batch.local import LocalEngine
from app.batch.run import BatchOptions, run_batch
from app.batch.tables import open_tables
from app.contract.upload import VolumeFields
from tests.app.batch.scans import write_scan

NAMES = ("p1/scan.nii", "p2/scan.nii", "p 3, left.nii.gz")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    for name in NAMES:
        path = tmp_path / "scans" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "scans"


def describe(folder: Path, content: str | bytes, known: VolumeFields | None = None) -> dict[str, VolumeFields | None]:
    path = folder.parent / "cases.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    cases = describe_cases(find_cases([folder], None), path, [folder], known or VolumeFields())
    return {case.name: case.fields for case in cases}


def test_each_scan_gets_what_its_row_says(scans: Path) -> None:
    rows = ("p2/scan.nii,S-2,31,", "", '"p 3, left.nii.gz",S-3,,"0.4, 0.4, 0.5"', "p1/scan.nii,,24.5,0.4")
    content = "\n".join(("file,subject,weeks,spacing", *rows))
    assert describe(scans, content, VolumeFields(subject="study", gestational_age_weeks=20.0)) == {
        "p1/scan": VolumeFields(subject="study", gestational_age_weeks=24.5, spacing_mm=(0.4, 0.4, 0.4)),
        "p2/scan": VolumeFields(subject="S-2", gestational_age_weeks=31.0),
        "p 3, left": VolumeFields(subject="S-3", gestational_age_weeks=20.0, spacing_mm=(0.4, 0.4, 0.5)),
    }


def test_a_scan_that_is_not_listed_gets_what_is_known_of_all(scans: Path) -> None:
    fields = describe(scans, "file\np1/scan.nii\n", VolumeFields(subject="study"))
    assert set(fields.values()) == {VolumeFields(subject="study")}


@pytest.mark.parametrize(
    "content",
    [
        "subject,file,weeks\r\nS-1,p1/scan.nii,24.5\r\n",
        "\ufefffile;subject;weeks\r\np1/scan.nii;S-1;24.5\r\n",
        "file , subject, weeks\n./p2/../p1/scan.nii, S-1, 24.5",
        "file,subject,weeks\nscans/p1/scan.nii,S-1,24.5\n",
        "file,subject,weeks\n{root}/p1/scan.nii,S-1,24.5\n",
    ],
)
def test_lists_as_programs_write_them(content: str, scans: Path) -> None:
    fields = describe(scans, content.replace("{root}", str(scans)))
    assert fields["p1/scan"] == VolumeFields(subject="S-1", gestational_age_weeks=24.5)
    assert fields["p2/scan"] == VolumeFields()


@pytest.mark.parametrize(
    ("row", "mistake"),
    [
        ("p9/scan.nii,S-1,24", "line 3: p9/scan.nii is none of the files to measure"),
        ("p1/scan.nii,Jane Doe,24", "line 3: subject 'Jane Doe' is no pseudonym; expected 1 to 64 letters"),
        (
            "p1/scan.nii,S-1,26+4",
            r"line 3: weeks '26\+4' is no gestational age; expected a number of weeks from 10 to 42",
        ),
        ("p1/scan.nii,S-1,60", "line 3: weeks '60' is no gestational age"),
        ("p2/scan.nii,S-1,24", "line 3: p2/scan.nii is listed a second time"),
        (",S-1,24", "line 3: no file is named"),
        ("p1/scan.nii,S-1,24,5", "line 3: 4 cells for 3 columns"),
    ],
)
def test_mistakes_are_named_with_their_line(row: str, mistake: str, scans: Path) -> None:
    with pytest.raises(BatchError, match=rf"cases\.csv has mistakes\. {mistake}"):
        describe(scans, f"file,subject,weeks\np2/scan.nii,S-2,24\n{row}\n")


def test_all_mistakes_are_named_at_once_but_no_book_of_them(scans: Path) -> None:
    rows = "".join(f"p{number}.nii,\n" for number in range(30))
    with pytest.raises(BatchError, match=r"line 2: .*line 3: .*line 11: .*and 20 more\.$"):
        describe(scans, f"file,spacing\n{rows}")


@pytest.mark.parametrize(
    ("content", "mistake"),
    [
        ("", "line 1"),
        ("name,weeks\n", "line 1: the columns are 'name,weeks'; expected file,subject,weeks,spacing"),
        ("file,age\n", "line 1"),
        ("file,weeks,weeks\n", "line 1"),
        ("file,subject\nM\xfcller.nii,S-1\n".encode("latin-1"), "UTF-8"),
        (b"file\n\x00" + b"x" * 200_000, "line 2"),
    ],
)
def test_what_is_no_list(content: str | bytes, mistake: str, scans: Path) -> None:
    with pytest.raises(BatchError, match=mistake):
        describe(scans, content)


def test_a_list_that_is_not_there(scans: Path) -> None:
    with pytest.raises(BatchError, match=r"missing\.csv cannot be read: No such file"):
        describe_cases([Case(scans / "p1", "p1")], scans / "missing.csv", [scans], VolumeFields())


def test_what_it_says_is_measured_listed_and_kept(tmp_path: Path, engine: LocalEngine) -> None:
    for name in ("a", "b"):
        write_scan(tmp_path / "in" / f"{name}.nii")
    out, path = tmp_path / "out", tmp_path / "cases.csv"
    states = []
    for subject in ("S-2", "S-2", "S-3"):
        path.write_text(f"file,subject,weeks\na.nii,S-1,24.5\nb.nii,{subject},31\n")
        cases = describe_cases(find_cases([tmp_path / "in"], out), path, [tmp_path / "in"], VolumeFields())
        with open_tables(out) as tables:
            for result in run_batch(cases, out, engine, BatchOptions()):
                tables.add(result)
                states.append(result.state)
    assert states == ["measured", "measured", "kept", "kept", "kept", "measured"]
    with (out / "results.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["name"], row["subject"], row["gestational_age_weeks"]) for row in csv.DictReader(file)]
    assert rows == [("a", "S-1", "24.5"), ("b", "S-3", "31.0")]
