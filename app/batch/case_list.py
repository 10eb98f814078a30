"""A list of cases: a CSV file that says of each scan what is known beside it."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import Final

from app.batch.cases import BatchError, Case
from app.contract.upload import FieldError, VolumeFields
from app.files import path_text

COLUMN: Final = "file"
FIELDS: Final[Mapping[str, str]] = {"subject": "subject", "weeks": "gestational_age_weeks", "spacing": "spacing_mm"}
"""For each column but the first, the field that it holds."""
EXPECTED: Final = "file,subject,weeks,spacing, of which file is needed"
AXES: Final = 3
NAMED: Final = 10
"""Mistakes that are named."""
SEPARATOR: Final = re.compile(r"[,;\s]")


class RowError(ValueError):
    """What is wrong with one row."""


def describe_cases(cases: Sequence[Case], path: Path, inputs: Sequence[Path], known: VolumeFields) -> list[Case]:
    """Return the cases with the fields of their rows in a list; what a row leaves open, and other cases, get `known`.

    A file is named by its path from an input folder, from the list's folder, from here, or from the root.

    Raises:
        BatchError: the list cannot be read, or has mistakes, which are named with their lines.
    """
    places = [Path(), path.parent, *(folder for folder in inputs if folder.is_dir())]
    numbers = {_key(case.path): number for number, case in enumerate(cases)}
    fields: dict[int, VolumeFields] = {}
    mistakes = []
    columns, rows = _read(path)
    for line, cells in rows:
        try:
            row = _name_cells(columns, cells)
            number = _find(row[COLUMN], places, numbers)
            if number in fields:
                raise RowError(f"{row[COLUMN]} is listed a second time")
            fields[number] = _parse_fields(row, known)
        except RowError as error:
            mistakes.append(f"line {line}: {error}")
    if mistakes:
        more = [f"and {len(mistakes) - NAMED} more"] if len(mistakes) > NAMED else []
        raise BatchError(f"{path_text(path)} has mistakes. {'; '.join([*mistakes[:NAMED], *more])}.")
    return [replace(case, fields=fields.get(number, known)) for number, case in enumerate(cases)]


def _read(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the columns, and number and cells of each line that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise BatchError(f"{path_text(path)} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BatchError(f"{path_text(path)} is no text in UTF-8. Save it as CSV in UTF-8.") from error
    head = text.partition("\n")[0].strip()
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in head and "," not in head else ",")
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise BatchError(f"{path_text(path)}, line {reader.line_num}: {error}.") from error
    columns = lines[0][1] if lines else []
    if COLUMN not in columns or len(set(columns)) < len(columns) or not {*columns} <= {COLUMN, *FIELDS}:
        raise BatchError(f"{path_text(path)}, line 1: the columns are {head!r}; expected {EXPECTED}.")
    return columns, [(line, cells) for line, cells in lines[1:] if any(cells)]


def _name_cells(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    if len(cells) > len(columns):
        raise RowError(f"{len(cells)} cells for {len(columns)} columns; put a cell with a comma into quotes")
    return dict(zip_longest(columns, cells, fillvalue=""))


def _find(name: str, places: Sequence[Path], numbers: Mapping[str, int]) -> int:
    """Return the number of the case that a row is about."""
    if not name:
        raise RowError("no file is named")
    found = {numbers[key] for place in places if (key := _key(place / name)) in numbers}
    if len(found) != 1:
        raise RowError(f"{name} is {'more than one' if found else 'none'} of the files to measure")
    return found.pop()


def _parse_fields(row: Mapping[str, str], known: VolumeFields) -> VolumeFields:
    given = {field: row[column] for column, field in FIELDS.items() if row.get(column)}
    spacing = given.get("spacing_mm", "")
    if spacing and not SEPARATOR.search(spacing):
        given["spacing_mm"] = ",".join([spacing] * AXES)
    try:
        return known.model_copy(update=dict(VolumeFields.parse(**given).model_dump(exclude_unset=True)))
    except FieldError as error:
        column = next(column for column, field in FIELDS.items() if field == error.name)
        raise RowError(f"{column} {row[column]!r} is {error.what}; expected {error.expected}") from error


def _key(path: Path) -> str:
    return path_text(os.path.abspath(path))
