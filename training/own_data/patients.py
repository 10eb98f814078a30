"""Which cases are scans of one patient: by the rule of the layout, unless a table says otherwise.

In `images/` the patient is the case's name before its last underscore: `P07_1` and `P07_2` are two scans of `P07`. In
nnU-Net's layout, whose usual names are `case_001`, `case_002`, every case is a patient of its own. `patients.csv`
(columns `name,patient`), or else a column `patient` in `split.csv`, overrides both.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from training.config.training import ConfigError

TABLES = ("patients.csv", "split.csv")
RULE = "the patient is the name before its last underscore"
REMEDY = f"say in {TABLES[0]} (columns name,patient) which case is of which patient, or name the cases otherwise"


def patient_by_name(name: str) -> str:
    """Return the name before its last underscore, the whole name where there is none."""
    return name.rpartition("_")[0] or name


def read_tables(root: Path) -> dict[str, str]:
    """Read the patient of each case that `patients.csv`, or else `split.csv`, of a folder names."""
    file = next((root / name for name in TABLES if (root / name).is_file()), None)
    if file is None:
        return {}
    found = read_patients(file)
    if file.name == TABLES[0] and not found:
        raise ConfigError(f"{file} names no patient; expected the columns name,patient")
    return found


def read_patients(file: Path) -> dict[str, str]:
    """Read the patient of each case of a CSV with the columns name and patient; none where it has no such column."""
    rows = list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))
    pairs = (((row.get("name") or "").strip(), (row.get("patient") or "").strip()) for row in rows)
    return {name: patient for name, patient in pairs if name and patient}


def explain_single_patient(patients: Mapping[str, str]) -> str | None:
    """Say why several cases (patient by name) count as one patient, and the remedy; None where they are of several."""
    names = sorted(patients)
    if len(names) < 2 or len(set(patients.values())) > 1:
        return None
    only = patients[names[0]]
    return (
        f"all {len(names)} cases count as one patient, {only!r}: {RULE}, so {names[0]} and {names[1]} are two scans of "
        f"{only!r}; {REMEDY}"
    )


def warn_of_split_scans(names: Iterable[str]) -> str | None:
    """Warn where cases that are patients of their own are named like several scans of some patients."""
    scans: dict[str, list[str]] = {}
    for name in sorted(names):
        scans.setdefault(patient_by_name(name), []).append(name)
    several = next((found for found in scans.values() if len(found) > 1), None)
    if several is None or len(scans) == 1:
        return None
    return (
        f"{several[0]} and {several[1]} count as two patients, as every case does in nnU-Net's layout; "
        f"if they are one, say so in {TABLES[0]} (columns name,patient)"
    )
