"""What is sent to be measured: a file's bytes and the fields beside it, parsed alike wherever they come from."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Real
from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from app.contract.value import Value
from app.files import digest

GESTATIONAL_AGE_WEEKS: Final = (10.0, 42.0)
SPACING_MM: Final = (0.1, 3.0)
SPACING_TOLERANCE: Final = 0.01
"""How far, relative to it, a file's spacing may lie from one that is sent beside it."""
SPACING_SUPPLIED: Final = "spacing_supplied"
SPACING_SUSPICIOUS: Final = "spacing_suspicious"
GEOMETRY_FROM_KRETZ: Final = "geometry_from_kretz"
FILL_AMBIGUOUS: Final = "fill_ambiguous"
FOREIGN_VALUES: Final = "foreign_values"
LOSSY_COMPRESSION: Final = "lossy_compression"
DARK_ECHOES: Final = "dark_echoes"
"""Codes of the flags of a file without a spacing, of one whose spacing looks like a placeholder, of one whose layout
was never published, of one that has a value outside the fan that echoes have, too, of one with marks or many values
that are neither, of one that was compressed with a loss, and of one whose dark tissues have one grey level."""
SUBJECT: Final = r"^[A-Za-z0-9._-]{1,64}$"
NUMBER: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


class FieldError(ValueError):
    """A field that cannot be used; what was written into it is not repeated, it may be a name."""

    def __init__(
        self, name: str, what: str, *, expected: str, got: str | None = None, remedy: str | None = None
    ) -> None:
        super().__init__(expected)
        self.name, self.what, self.expected, self.got, self.remedy = name, what, expected, got, remedy


def _parse_weeks(value: object) -> float:
    least, greatest = GESTATIONAL_AGE_WEEKS
    weeks = _number(value)
    if not least <= weeks <= greatest:
        raise FieldError(
            "gestational_age_weeks",
            "no gestational age",
            expected=f"a number of weeks from {least:g} to {greatest:g}, such as 26.4",
            got="no number" if math.isnan(weeks) else f"{weeks:g}",
        )
    return weeks


def _parse_subject(value: object) -> str:
    text = str(value).strip()
    if not re.fullmatch(SUBJECT, text):
        raise FieldError(
            "subject",
            "no pseudonym",
            expected="1 to 64 letters, digits, dots, underscores and hyphens",
            got=f"a text of {len(text)} characters",
            remedy="Send a pseudonym, never a name.",
        )
    return text


def _parse_spacing(value: object) -> tuple[float, float, float]:
    pieces: object = re.split(r"[,;\s]+", value.strip("[]() ")) if isinstance(value, str) else value
    least, greatest = SPACING_MM
    try:
        i, j, k = map(_number, pieces if isinstance(pieces, Iterable) else ())
        if not all(least <= step <= greatest for step in (i, j, k)):
            raise ValueError
    except ValueError:
        expected = f"three numbers from {least:g} to {greatest:g}, in mm, such as 0.4,0.4,0.5"
        raise FieldError("spacing_mm", "no spacing", expected=expected) from None
    return i, j, k


def _number(value: object) -> float:
    """Return the number, NaN where it is none: Python itself takes more for numbers than people do, such as 2_6."""
    if isinstance(value, str):
        return float(value) if NUMBER.fullmatch(value.strip()) else math.nan
    return float(value) if isinstance(value, Real) else math.nan


Weeks = Annotated[float, Field(ge=GESTATIONAL_AGE_WEEKS[0], le=GESTATIONAL_AGE_WEEKS[1]), BeforeValidator(_parse_weeks)]
Subject = Annotated[str, Field(pattern=SUBJECT), BeforeValidator(_parse_subject)]
Spacing = Annotated[tuple[float, float, float], BeforeValidator(_parse_spacing), WithJsonSchema({"type": "string"})]


class VolumeFields(Value):
    """What is known of a volume beside its file, as texts of a form or a command line, or as numbers."""

    gestational_age_weeks: Weeks | None = Field(
        None, description="Weeks; a size that contradicts it is flagged.", examples=[26.4]
    )
    subject: Subject | None = Field(None, description="A pseudonym, never a name.", examples=["S-017"])
    spacing_mm: Spacing | None = Field(
        None, description="Three numbers in mm, only where the file has no spacing.", examples=["0.38,0.38,0.38"]
    )

    @classmethod
    def parse(cls, **given: object) -> Self:
        """Return the fields, or raise the FieldError of the first that cannot be used."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise error.errors()[0]["ctx"]["error"] from None

    @classmethod
    def form_schema(cls) -> dict[str, Any]:
        """Return the JSON schema of each field in a form, where a field that is not known is left out."""
        properties: dict[str, dict[str, Any]] = cls.model_json_schema()["properties"]
        return {
            name: property["anyOf"][0] | {key: property[key] for key in ("description", "examples")}
            for name, property in properties.items()
        }

    def texts(self) -> dict[str, str]:
        """Return the fields that are known as texts of a form."""
        known = self.model_dump(exclude_none=True)
        return {name: ",".join(map(str, v)) if isinstance(v, tuple) else str(v) for name, v in known.items()}


@dataclass(frozen=True)
class Upload:
    """One request to measure."""

    payload: bytes = field(repr=False)
    fields: VolumeFields = field(default_factory=VolumeFields)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of the file; takes a moment, once."""
        return digest(self.payload)

    @cached_property
    def request_sha256(self) -> str:
        """SHA-256 of the file together with the fields beside it."""
        content = [self.sha256, self.fields.gestational_age_weeks, self.fields.subject, self.fields.spacing_mm]
        return digest(repr(content))
