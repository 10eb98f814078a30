"""Which patients train, validate and test: no patient is ever on two sides."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from app.files import digest, write_atomically
from training.config.training import ConfigError
from training.own_data.folder import OwnCase
from training.own_data.patients import REMEDY, explain_single_patient, read_patients

PARTS = ("train", "validation", "test")
SHARES = {"validation": 0.15, "test": 0.15}
FILES = ("split.csv", "split.toml")
MIN_PATIENTS = 3


@dataclass(frozen=True)
class Split:
    """The cases of each part, in the order of their names."""

    train: tuple[OwnCase, ...]
    validation: tuple[OwnCase, ...]
    test: tuple[OwnCase, ...]

    def part(self, name: str) -> tuple[OwnCase, ...]:
        """Return a part by name."""
        cases: tuple[OwnCase, ...] = getattr(self, name)
        return cases

    def write(self, path: Path) -> None:
        """Write the split as a CSV that `--split` takes."""
        path.parent.mkdir(parents=True, exist_ok=True)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", "part", "patient"])
        writer.writerows([case.name, part, case.patient] for part in PARTS for case in self.part(part))
        write_atomically(path, text.getvalue())


def split_cases(cases: Iterable[OwnCase], root: Path, file: Path | None = None) -> Split:
    """Split by a file, by `split.csv` or `split.toml` in the folder, or else by a hash of the patients' names.

    A column `patient` in the file says whose cases are, beyond what the folder says.

    Raises ConfigError where a patient lies on two sides, a case on none, or there are fewer than 3 patients to split.
    """
    file = file or next((root / name for name in FILES if (root / name).is_file()), None)
    told = read_patients(file) if file is not None and file.suffix == ".csv" else {}
    known = [
        replace(case, patient=told.get(case.name, case.patient)) for case in sorted(cases, key=lambda case: case.name)
    ]
    parts = _by_hash({case.name: case.patient for case in known}) if file is None else _read(file)
    sides = {case.name: _side(case, parts, file) for case in known}
    _keep_patients_together(known, sides)
    return Split(*(tuple(case for case in known if sides[case.name] == part) for part in PARTS))


def _by_hash(patient_of: Mapping[str, str]) -> dict[str, str]:
    """Give 15 % of the patients to test and to validation, at least one each; they always fall alike."""
    if (why := explain_single_patient(patient_of)) is not None:
        raise ConfigError(f"one patient cannot be split into train, validation and test: {why}")
    patients = set(patient_of.values())
    if len(patients) < MIN_PATIENTS:
        raise ConfigError(
            f"{len(patients)} patients cannot be split into train, validation and test; "
            f"add cases, say which is which in {FILES[0]}, or, where they are of more patients, {REMEDY}"
        )
    order = sorted(patients, key=digest)
    held = {part: max(1, round(share * len(order))) for part, share in SHARES.items()}
    parts = dict.fromkeys(order, "train")
    parts |= dict.fromkeys(order[: held["test"]], "test")
    parts |= dict.fromkeys(order[held["test"] : held["test"] + held["validation"]], "validation")
    return parts


def _read(file: Path) -> dict[str, str]:
    """Read the part of each case or patient: a CSV with columns name and part, or TOML with a list for each part."""
    text = file.read_text(encoding="utf-8")
    try:
        if file.suffix == ".toml":
            return {name: part for part, names in tomllib.loads(text).items() for name in names}
        return {row["name"].strip(): row["part"].strip() for row in csv.DictReader(text.splitlines())}
    except (KeyError, AttributeError, tomllib.TOMLDecodeError) as error:
        wanted = "expected the columns name,part or the lists train, validation and test"
        raise ConfigError(f"{file} is no split ({error}); {wanted}") from error


def _side(case: OwnCase, parts: Mapping[str, str], file: Path | None) -> str:
    part = parts.get(case.name) or parts.get(case.patient)
    if part is None:
        raise ConfigError(f"{file} names neither case {case.name} nor patient {case.patient}; add it to a part")
    if part not in PARTS:
        raise ConfigError(f"{file} puts {case.name} into {part!r}; expected one of {', '.join(PARTS)}")
    return part


def _keep_patients_together(cases: Iterable[OwnCase], sides: Mapping[str, str]) -> None:
    by_patient: dict[str, set[str]] = {}
    for case in cases:
        by_patient.setdefault(case.patient, set()).add(sides[case.name])
    torn = sorted(patient for patient, found in by_patient.items() if len(found) > 1)
    if torn:
        sides_of = " and ".join(sorted(by_patient[torn[0]]))
        raise ConfigError(
            f"patient {torn[0]} is in {sides_of}; keep it on one side, "
            f"or, where its cases are of several patients, {REMEDY}"
        )
