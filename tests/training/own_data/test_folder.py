import re
from pathlib import Path

import numpy as np
import pytest

from app.imaging.nifti.file import encode_volume
from app.imaging.volume import Volume, VolumeGeometry
from tests.helpers.samples import WRITERS
from training.config.training import ConfigError
from training.own_data.folder import OwnCases, read_folder
from training.own_data.measuring import find_repeated
from training.own_data.split import split_cases

SHAPE = (24, 20, 22)


def write(path: Path, data: np.ndarray, spacing: float = 3.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_volume(Volume(data, VolumeGeometry.from_spacing(data.shape, (spacing,) * 3))))


def scan() -> np.ndarray:
    return np.random.default_rng(1).integers(1, 255, SHAPE).astype(np.uint8)


def head(value: int = 1) -> np.ndarray:
    mask = np.zeros(SHAPE, np.uint8)
    mask[6:18, 6:16, 6:16] = value
    return mask


def make(root: Path, *names: str, images: str = "images/{}.nii.gz", labels: str = "labels/{}.nii.gz") -> Path:
    for name in names:
        write(root / images.format(name), scan())
        write(root / labels.format(name), head())
    return root


def test_pairs_are_found_by_name_in_both_layouts(tmp_path: Path) -> None:
    make(tmp_path, "P1_1", "P1_2", "P2")
    write(tmp_path / "imagesTr" / "P3_1_0000.nii.gz", scan())
    write(tmp_path / "labelsTr" / "P3_1.nii.gz", head(255))
    found = read_folder(tmp_path)
    assert [(case.name, case.patient) for case in found.cases] == [
        ("P1_1", "P1"), ("P1_2", "P1"), ("P2", "P2"), ("P3_1", "P3_1"),
    ]  # fmt: skip
    assert found.problems == ()
    assert "4 usable cases of 3 patients" in found.report()
    case = OwnCases(found.cases).load(3)
    assert (case.truth.data.max(), case.truth.data.sum()) == (1, head().sum())


@pytest.mark.parametrize("name", WRITERS)
def test_images_and_labels_may_be_of_any_format(name: str, tmp_path: Path) -> None:
    ending = name.removeprefix("scan")
    for folder, data in (("images", scan()), ("labels", head())):
        (tmp_path / folder).mkdir()
        volume = Volume(data, VolumeGeometry.from_spacing(SHAPE, (3.0,) * 3))
        (tmp_path / folder / f"P1_1{ending}").write_bytes(WRITERS[name](volume))
    found = read_folder(tmp_path)
    assert (found.problems, [case.name for case in found.cases]) == ((), ["P1_1"])
    assert OwnCases(found.cases).load(0).truth.data.sum() == head().sum()


def nnunet(root: Path, *names: str) -> Path:
    return make(root, *names, images="imagesTr/{}_0000.nii.gz", labels="labelsTr/{}.nii.gz")


def test_nnu_net_s_usual_names_are_patients_of_their_own(tmp_path: Path) -> None:
    found = read_folder(nnunet(tmp_path, "case_001", "case_002", "case_003"))
    assert [case.patient for case in found.cases] == ["case_001", "case_002", "case_003"]
    assert "3 usable cases of 3 patients" in found.report()
    assert "note:" not in found.report()
    split = split_cases(found.cases, tmp_path)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [1, 1, 1]


def test_scans_that_nnu_net_s_layout_takes_apart_are_warned_of(tmp_path: Path) -> None:
    nnunet(tmp_path, "P1_1", "P1_2", "P2_1", "P3_1")
    assert "note: P1_1 and P1_2 count as two patients" in read_folder(tmp_path).report()
    (tmp_path / "patients.csv").write_text("name,patient\nP1_1,P1\nP1_2,P1\n", encoding="utf-8")
    told = read_folder(tmp_path)
    assert [case.patient for case in told.cases] == ["P1", "P1", "P2_1", "P3_1"]
    assert "note:" not in told.report()


def test_a_table_says_whose_the_cases_are(tmp_path: Path) -> None:
    make(tmp_path, "a_1", "a_2", "a_3", "a_4")
    rows = "name,part,patient\na_1,train,A\na_2,train,A\na_3,validation,B\na_4,test,C\n"
    (tmp_path / "split.csv").write_text(rows, encoding="utf-8")
    found = read_folder(tmp_path)
    assert [case.patient for case in found.cases] == ["A", "A", "B", "C"]
    split = split_cases(found.cases, tmp_path)
    split.write(tmp_path / "elsewhere" / "split.csv")
    (tmp_path / "split.csv").unlink()
    again = split_cases(read_folder(tmp_path).cases, tmp_path, tmp_path / "elsewhere" / "split.csv")
    assert again == split
    (tmp_path / "patients.csv").write_text("case;who\na_1;A\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="names no patient; expected the columns name,patient"):
        read_folder(tmp_path)


def test_a_rule_that_makes_all_cases_one_patient_is_named_with_its_remedy(tmp_path: Path) -> None:
    cases = read_folder(make(tmp_path, "case_001", "case_002", "case_003", "case_004")).cases
    told = (
        "all 4 cases count as one patient, 'case': the patient is the name before its last underscore, so case_001 and "
        "case_002 are two scans of 'case'; say in patients.csv"
    )
    with pytest.raises(ConfigError, match=re.escape(told)):
        split_cases(cases, tmp_path)
    with pytest.raises(ConfigError, match=re.escape(told)):
        find_repeated(cases)
    (tmp_path / "split.csv").write_text(
        "name,part\ncase_001,train\ncase_002,test\ncase_003,validation\ncase_004,train\n"
    )
    with pytest.raises(ConfigError, match=r"patient case is in test and train and validation; .* say in patients\.csv"):
        split_cases(cases, tmp_path)


def test_every_case_that_does_not_fit_is_named_with_its_reason(tmp_path: Path) -> None:
    make(tmp_path, "good", "alone", "empty", "grid", "size", "labels", "damaged", "flat")
    images, labels = tmp_path / "images", tmp_path / "labels"
    (labels / "alone.nii.gz").rename(labels / "orphan.nii.gz")
    write(labels / "empty.nii.gz", np.zeros(SHAPE, np.uint8))
    write(labels / "grid.nii.gz", head(), spacing=2.0)
    write(labels / "size.nii.gz", np.pad(head(), ((0, 0), (0, 0), (0, 1))))
    several = head()
    several[7, 7, 7] = 2
    write(labels / "labels.nii.gz", several)
    (images / "damaged.nii.gz").write_bytes((images / "damaged.nii.gz").read_bytes()[:200])
    write(images / "flat.nii.gz", np.full(SHAPE, 7, np.uint8))
    found = read_folder(tmp_path)
    assert [case.name for case in found.cases] == ["good"]
    reasons = {problem.case: problem.reason for problem in found.problems}
    expected = {
        "alone": "no label labels/alone.nii.gz",
        "orphan": "no image for labels/orphan.nii.gz",
        "empty": "the label cannot be used (empty_image): every voxel has the value 0",
        "grid": "mm apart in space",
        "size": "(24, 20, 23) voxels, the image (24, 20, 22)",
        "labels": "values 0, 1, 2",
        "flat": "constant_image",
    }
    assert all(text in reasons[name] for name, text in expected.items()), reasons
    assert "damaged" in reasons
    assert found.report().count("left out") == 8


def test_a_folder_of_another_kind_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected images/CASE\.nii\.gz with labels/CASE\.nii\.gz"):
        read_folder(tmp_path)


def test_patients_stay_together(tmp_path: Path) -> None:
    names = [f"P{n}_{scan}" for n in range(10) for scan in (1, 2)]
    cases = read_folder(make(tmp_path, *names)).cases
    split = split_cases(cases, tmp_path)
    sides = [{case.patient for case in part} for part in (split.train, split.validation, split.test)]
    assert [len(side) for side in sides] == [6, 2, 2]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    split.write(tmp_path / "kept.csv")
    assert split_cases(reversed(cases), tmp_path, tmp_path / "kept.csv") == split


def test_a_split_of_ones_own_is_followed_or_refused(tmp_path: Path) -> None:
    cases = read_folder(make(tmp_path, "P1_1", "P1_2", "P2_1", "P3_1")).cases
    (tmp_path / "split.toml").write_text('train = ["P1"]\nvalidation = ["P2"]\ntest = ["P3_1"]\n', encoding="utf-8")
    split = split_cases(cases, tmp_path)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [2, 1, 1]
    for text, complaint in (
        ("name,part\nP1_1,train\nP1_2,test\nP2,train\nP3,test\n", "patient P1 is in test and train"),
        ("name,part\nP1,train\nP2,train\n", "neither case P3_1 nor patient P3"),
        ("name,part\nP1,train\nP2,train\nP3,holdout\n", "'holdout'"),
        ("case,side\nP1,train\n", "is no split"),
    ):
        file = tmp_path / "other.csv"
        file.write_text(text, encoding="utf-8")
        with pytest.raises(ConfigError, match=complaint):
            split_cases(cases, tmp_path, file)


def test_too_few_patients_cannot_be_split(tmp_path: Path) -> None:
    cases = read_folder(make(tmp_path, "P1_1", "P1_2", "P2_1")).cases
    with pytest.raises(ConfigError, match="2 patients cannot be split"):
        split_cases(cases, tmp_path)
