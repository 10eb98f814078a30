"""Which mask belongs to which result; only names matter here, so the files are empty."""

from pathlib import Path

import pytest

from app.comparison.errors import ComparisonError
from app.comparison.pairs import find_pairs


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def results(root: Path, *names: str) -> Path:
    return touch(root / "results", *(f"{name}{end}" for name in names for end in (".json", "_mask.nii.gz")))


def paired(root: Path, found: tuple[str, ...], masks: tuple[str, ...]) -> dict[str, str | None]:
    """The mask of each result, or why there is none."""
    folder = touch(root / "masks", *masks)
    pairs = find_pairs(results(root, *found), folder)
    named = {pair.name: pair.fault or (pair.truth and str(pair.truth.relative_to(folder))) for pair in pairs}
    return {name: None if value is None else str(value) for name, value in named.items()}


@pytest.mark.parametrize(
    ("result", "mask"),
    [
        ("P01", "P01.nii.gz"),
        ("P01", "P01.nii"),
        ("a/P01", "a/P01.nii.gz"),
        ("a/P01", "P01.nii.gz"),
        ("P01", "by hand/P01.nii.gz"),
        ("P01", "P01_mask.nii.gz"),
        ("P01", "P01-Label.nii.gz"),
        ("P01_0000", "P01.nii.gz"),
        ("P01_1", "P01_1_gt.nii.gz"),
    ],
)
def test_a_mask_is_named_like_its_scan(result: str, mask: str, tmp_path: Path) -> None:
    assert paired(tmp_path, (result,), (mask,)) == {result: mask}


def test_a_folder_of_masks_like_that_of_the_scans_tells_equal_names_apart(tmp_path: Path) -> None:
    found = paired(tmp_path, ("a/scan", "b/scan"), ("a/scan.nii", "b/scan.nii"))
    assert found == {"a/scan": "a/scan.nii", "b/scan": "b/scan.nii"}


def test_one_mask_is_never_that_of_two_scans(tmp_path: Path) -> None:
    found = paired(tmp_path, ("a/scan", "b/scan"), ("scan.nii",))
    assert set(found) == {"a/scan", "b/scan"}
    assert all("may belong to several scans: a/scan, b/scan" in str(fault) for fault in found.values())


@pytest.mark.parametrize("masks", [("P01.nii", "P01_seg.nii"), ("x/P01.nii", "y/P01.nii")])
def test_two_masks_of_one_scan_are_not_chosen_between(masks: tuple[str, str], tmp_path: Path) -> None:
    found = paired(tmp_path, ("P01",), masks)
    assert "Several masks may belong to it" in str(found["P01"])


def test_one_mask_in_two_formats_is_not_chosen_between(tmp_path: Path) -> None:
    assert "as .nii and as .nii.gz" in str(paired(tmp_path, ("P01",), ("P01.nii", "P01.nii.gz"))["P01"])


def test_a_name_that_another_scan_has_in_full_is_that_of_the_other(tmp_path: Path) -> None:
    found = paired(tmp_path, ("P01", "P01_seg"), ("P01.nii", "P01_seg.nii"))
    assert found == {"P01": "P01.nii", "P01_seg": "P01_seg.nii"}


def test_what_has_no_partner_is_listed(tmp_path: Path) -> None:
    found = paired(tmp_path, ("P01", "P02"), ("P01.nii", "P03.nii"))
    assert found == {"P01": "P01.nii", "P02": None, "P03": "It has no result."}


def test_masks_beside_reports_of_their_own_are_found(tmp_path: Path) -> None:
    assert paired(tmp_path, ("P01",), ("P01_mask.nii.gz", "P01.json")) == {"P01": "P01_mask.nii.gz"}


def test_nothing_matches(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError) as caught:
        paired(tmp_path, ("P01", "P02"), ("one.nii", "two.nii"))
    for words in ("P01.nii.gz or P01_mask.nii.gz", "Results: P01, P02", "Masks: one, two", "Rename the masks"):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("results", "missing"), "missing is not a folder"),
        (("missing", "masks"), "missing is not a folder"),
        (("masks", "masks"), "masks holds no result"),
        (("results", "results"), "holds the results themselves"),
        (("results", "empty"), "holds no file that ends in .nii.gz or .nii"),
    ],
)
def test_folders_that_cannot_be_compared(names: tuple[str, str], expected: str, tmp_path: Path) -> None:
    results(tmp_path, "P01")
    touch(tmp_path / "masks", "P01.nii")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ComparisonError, match=expected):
        find_pairs(tmp_path / names[0], tmp_path / names[1])
