"""A folder of images and labels, paired by name; every case that cannot be used is reported with its reason.

    DIR/images/CASE.nii.gz        DIR/labels/CASE.nii.gz
    DIR/imagesTr/CASE_0000.nii.gz DIR/labelsTr/CASE.nii.gz      (nnU-Net)

In place of .nii.gz stands the ending of any other format that is read.

Which cases are of one patient: `patients`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.imaging.errors import ImagingError
from app.imaging.formats.checks import DecodeLimits
from app.imaging.formats.endings import ENDINGS
from app.imaging.formats.registry import decode_volume
from app.imaging.volume import Volume
from training.cases.sources import Case
from training.config.training import ConfigError
from training.own_data.patients import patient_by_name, read_tables, warn_of_split_scans

LAYOUTS = (("images", "labels", ""), ("imagesTr", "labelsTr", "_0000"), ("imagesTs", "labelsTs", "_0000"))
LIMITS = DecodeLimits(spacing_mm=(0.1, 6.0))
SAME_GRID_MM = 1e-2


@dataclass(frozen=True)
class OwnCase:
    """Where one case lies and whose it is; without a label it serves repeated measurements alone."""

    name: str
    image: Path
    label: Path | None
    patient: str


@dataclass(frozen=True)
class Problem:
    """A case that cannot be used, why, and what would mend it."""

    case: str
    reason: str
    remedy: str

    def __str__(self) -> str:
        """Return one line for people."""
        return f"{self.case}: {self.reason}; {self.remedy}"


@dataclass(frozen=True)
class OwnFolder:
    """The usable cases by name, the problems of the others, and a warning about whose they are, if any."""

    root: Path
    cases: tuple[OwnCase, ...]
    problems: tuple[Problem, ...]
    warning: str | None = None

    def report(self) -> str:
        """Say what was found, with a line for every case that was left out."""
        patients = len({case.patient for case in self.cases})
        lines = [f"{self.root}: {len(self.cases)} usable cases of {patients} patients"]
        lines += [f"note: {self.warning}"] if self.warning else []
        return "\n".join([*lines, *(f"left out: {problem}" for problem in self.problems)])


class OwnCases:
    """Usable cases as training's source: number n is the n-th case of a fixed order."""

    def __init__(self, cases: Sequence[OwnCase]) -> None:
        self._cases = tuple(cases)

    def seeds(self) -> list[int]:
        """Return the numbers of all cases."""
        return list(range(len(self._cases)))

    def load(self, seed: int) -> Case:
        """Read one case with its label; tissues are unknown."""
        own = self._cases[seed]
        image, label = read_labelled(own)
        nothing = Volume(np.zeros(label.data.shape, np.uint8), label.geometry)
        return Case(seed, image, label, nothing)

    def record(self, seed: int) -> dict[str, str]:
        """Return the name and the patient of a case."""
        own = self._cases[seed]
        return {"case": own.name, "patient": own.patient}


def read_folder(root: Path, with_labels: bool = True) -> OwnFolder:
    """Pair images and labels and check every pair; ConfigError where the folder has none of the layouts."""
    if not root.is_dir():
        raise ConfigError(f"no folder {root}; expected one that holds images/ and labels/")
    found = [layout for layout in LAYOUTS if (root / layout[0]).is_dir()]
    if not found:
        expected = (f"{images}/CASE{suffix}.nii.gz with {labels}/CASE.nii.gz" for images, labels, suffix in LAYOUTS[:2])
        raise ConfigError(f"{root} holds neither images/ nor imagesTr/; expected {' or '.join(expected)}")
    cases: list[OwnCase] = []
    problems: list[Problem] = []
    told = read_tables(root)
    for images, labels, suffix in found:
        pictures, truths = _files(root / images, suffix), _files(root / labels, "")
        for name in sorted(pictures.keys() | truths.keys()):
            problem = _unpaired(name, pictures, truths, (images, labels)) if with_labels else None
            if name not in pictures and problem is None:
                continue
            patient = told.get(name) or (name if suffix else patient_by_name(name))
            case = None if problem else OwnCase(name, pictures[name], truths.get(name), patient)
            problem = problem or (check(case) if case else None)
            if problem is not None:
                problems.append(problem)
            elif case is not None:
                cases.append(case)
    apart = warn_of_split_scans(c.name for c in cases if c.name not in told and c.patient == c.name)
    return OwnFolder(root, tuple(sorted(cases, key=lambda case: case.name)), tuple(problems), apart)


def check(case: OwnCase) -> Problem | None:
    """Read a case and say what is wrong with it; None where nothing is."""
    try:
        read_case(case)
    except ImagingError as error:
        return Problem(case.name, f"{error.code}: {error.detail}", error.remedy or "write the file again")
    except ValueError as error:
        return Problem(case.name, str(error), "outline the head on the image's own grid, head 1 and everything else 0")
    return None


def read_case(case: OwnCase) -> tuple[Volume, Volume | None]:
    """Read image and label (u8, 0 or 1) on one grid; ImagingError or ValueError where they cannot be used."""
    image = decode_volume(case.image.read_bytes(), LIMITS).volume
    if case.label is None:
        return image, None
    label = _read_label(case.label)
    if label.data.shape != image.data.shape:
        raise ValueError(f"the label has {label.data.shape} voxels, the image {image.data.shape}")
    drift = np.abs(label.geometry.affine - image.geometry.affine)[:3] @ np.array([*image.data.shape, 1])
    if drift.max() > SAME_GRID_MM:
        raise ValueError(f"label and image lie up to {drift.max():.2f} mm apart in space")
    values = np.unique(label.data)
    if len(values) > 2 or not np.array_equal(values, values.astype(int)):
        raise ValueError(
            f"the label has the values {', '.join(f'{v:g}' for v in values[:5])}, expected 0 and one other"
        )
    return image, Volume((label.data > 0).astype(np.uint8), image.geometry)


def read_labelled(case: OwnCase) -> tuple[Volume, Volume]:
    """Read image and label on one grid; ConfigError where the case has no label."""
    image, label = read_case(case)
    if label is None:
        raise ConfigError(f"{case.name} has no label")
    return image, label


def _read_label(path: Path) -> Volume:
    try:
        return decode_volume(path.read_bytes(), LIMITS).volume
    except ImagingError as error:
        raise ValueError(f"the label cannot be used ({error.code}): {error.detail}") from error


def _files(folder: Path, suffix: str) -> dict[str, Path]:
    """Return volumes by case name; nnU-Net's channel suffix is no part of the name."""
    files = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        ending = next((e for e in ENDINGS if path.name.lower().endswith(e)), None)
        if ending is not None:
            files[path.name[: -len(ending)].removesuffix(suffix)] = path
    return files


def _unpaired(
    name: str, pictures: Mapping[str, Path], truths: Mapping[str, Path], folders: tuple[str, str]
) -> Problem | None:
    if name not in truths:
        return Problem(name, f"no label {folders[1]}/{name}.nii.gz", "add it, or take the image out")
    if name not in pictures:
        return Problem(name, f"no image for {folders[1]}/{truths[name].name}", f"add it to {folders[0]}/")
    return None
