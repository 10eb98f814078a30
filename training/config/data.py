"""The part of the training configuration that says which cases are learned from, and what every part is made of."""

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.inference.manifest import TrainingStep

SIMULATED, UNKNOWN = "simulated", "unknown"


class Section(BaseModel):
    """A part of a preset: it never changes, and refuses keys that it does not know.

    `removed` names the options that earlier versions had, each with the one value that is left: models that were
    published then are still read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    removed: ClassVar[Mapping[str, object]] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_removed(cls, values: object) -> object:
        if not isinstance(values, dict):
            return values
        for name in cls.removed.keys() & values.keys():
            if values[name] != (left := cls.removed[name]):
                raise ValueError(
                    f"option {name} was removed: it can only be {left!r}, got {values[name]!r}; leave it out"
                )
        return {name: value for name, value in values.items() if name not in cls.removed}


class SeedRange(Section):
    """Cases by seed: first <= seed < stop."""

    first: int = Field(ge=0)
    stop: int = Field(gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.stop <= self.first:
            raise ValueError(f"a seed range needs first < stop, got {self.first} and {self.stop}")
        return self

    def __contains__(self, seed: object) -> bool:
        """Return whether the seed lies in the range."""
        return isinstance(seed, int) and self.first <= seed < self.stop


class DataConfig(Section):
    """Which cases each level learns from: one range per level, so that no level learns on maps of cases it has seen."""

    train: tuple[SeedRange, ...] = Field(min_length=1)
    validation: SeedRange
    validation_cases: int = Field(12, ge=1)
    source: str = Field(SIMULATED, description="what the cases are, for the manifest and the model card")
    earlier: tuple[TrainingStep, ...] = Field((), description="the trainings that this one goes on from, in order")
    exclude_looks: tuple[str, ...] = ()
    exclude_families: tuple[str, ...] = ()
    cases_at_most: tuple[int, ...] = Field((), description="of each range the first so many that are not excluded")
    rescan_minutes: float = Field(2.0, gt=0)
    max_cases_in_memory: int = Field(2500, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _with_steps(cls, values: object) -> object:
        """Read the form of version 0.1: presets as words, and what they learned from only where all is simulated."""
        if not isinstance(values, dict) or "continues" not in values:
            return values
        presets, data = (values["continues"] or "").split(), values.get("source", SIMULATED)
        known = data if data == SIMULATED else UNKNOWN
        given = {name: value for name, value in values.items() if name != "continues"}
        return given | {"earlier": [{"preset": preset, "data": known} for preset in presets]}


class PhantomBatch(Section):
    """So many simulated patients of a cohort from number `first` on, with a voxel size of their own."""

    cohort: Literal["train", "context", "validation"]
    first: int = Field(ge=0)
    cases: int = Field(ge=1)
    spacing_mm: float = Field(gt=0)


class PhantomsConfig(Section):
    """How many simulated patients `fit` makes, per cohort, and their voxel size; `more` adds batches of other sizes."""

    train: int = Field(ge=1)
    context: int = Field(ge=0)
    validation: int = Field(ge=1)
    spacing_mm: float = Field(1.3, gt=0)
    more: tuple[PhantomBatch, ...] = ()

    @property
    def batches(self) -> tuple[PhantomBatch, ...]:
        """Every batch in the order in which training needs it: validation first."""
        counts = {"validation": self.validation, "train": self.train, "context": self.context}
        plain = [
            PhantomBatch.model_validate({"cohort": cohort, "first": 0, "cases": cases, "spacing_mm": self.spacing_mm})
            for cohort, cases in counts.items()
            if cases
        ]
        return (*plain, *self.more)
