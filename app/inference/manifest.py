"""The manifest of a published model: its files, its rules and its validated accuracy."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from app.imaging.levels import LevelSpec
from app.imaging.postprocess import PostprocessingSpec
from app.imaging.preprocess import PreprocessingSpec
from app.imaging.quality import QualitySpec
from app.imaging.regions import RegionSpec
from app.inference.volume_interval import VolumeInterval

MANIFEST_FILE = "manifest.json"
REMOVED = ("locator", "tiling", "first_level")
"""Members of earlier manifests that must be empty: nothing serves them any more."""

FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{1,64}$")]


class _Part(BaseModel):
    """A value read from a file: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class NetworkFile(_Part):
    """A network's file."""

    file: FileName
    sha256: Sha256
    size: int = Field(gt=0, description="bytes")


class RegionGate(_Part):
    """The loss of a level that sees only the region, but learned from whole volumes."""

    cases: int = Field(ge=1, description="phantoms on which the loss was measured")
    dsc_loss: float = Field(description="mean DSC of the whole volume minus mean DSC of the region, as a fraction")


class StoredLevel(NetworkFile, LevelSpec):
    """One context level: its network, its grid and its region."""

    region_gate: RegionGate | None = Field(default=None, description="None where it learned from its regions")


class SelfTest(_Part):
    """A stored input and the probability that the last level must give for it."""

    file: FileName
    sha256: Sha256
    tolerance: float = Field(gt=0, description="largest absolute difference of a probability, in single precision")
    mask_dsc: float = Field(default=0.99, gt=0, le=1, description="least DSC of the masks, in a lower precision")


class PrecisionGate(_Part):
    """How close a lower precision stays to single precision, on phantoms; it is served only if it passed."""

    cases: int = Field(ge=1)
    dsc_mean: float
    dsc_min: float
    volume_change_percent_max: float = Field(ge=0, description="largest |change| of the head's volume")


class LowerPrecision(_Part):
    """A precision below single that passed its gate; `levels` is empty if it needs no files."""

    precision: Literal["bf16", "fp16"]
    levels: tuple[NetworkFile, ...] = ()
    gate: PrecisionGate


class TrainingStep(_Part):
    """One of the trainings that led to a model, each continuing from the previous one."""

    preset: str
    data: str = Field(description="what was learned from, such as 'simulated'")


class TrainedLevel(_Part):
    """The length and the result of a level's last training."""

    steps: int = Field(ge=0)
    minutes: float = Field(ge=0)
    cases: int = Field(ge=0)
    validation_dsc: float | None = Field(default=None, description="mean on the network's grid, as a fraction")


class TrainingRecord(_Part):
    """Where the model comes from; earlier manifests lack the members with a default."""

    data: str = Field(description="what it was trained on, such as 'simulated'")
    preset: str
    commands: tuple[str, ...] = Field(description="what was run, in order; repeating it repeats the model")
    description: str = Field(default="", description="the network and its training, in a sentence")
    steps: tuple[TrainingStep, ...] = Field(default=(), description="every training that led to it, in order")
    levels: tuple[TrainedLevel, ...] = ()
    notes: tuple[str, ...] = Field(default=(), description="what has no field of its own, a sentence each")


class SetAccuracy(_Part):
    """Accuracy on one set of cases that training never saw; DSC as a fraction."""

    cases: int = Field(ge=1)
    dsc_mean: float
    dsc_min: float
    volume_error_percent_mean: float = Field(description="mean of |error| / truth")
    volume_bias_ml: float
    volume_loa_half_width_ml: float = Field(description="95 % limits of agreement, half width")


class AccuracySummary(_Part):
    """Validated accuracy; evaluation.json holds all of it."""

    test: SetAccuracy
    shifted: SetAccuracy | None = None


class ModelManifest(_Part):
    """Everything needed to serve a model; written by export."""

    schema_version: Literal[1] = 1
    name: ModelName
    version: int = Field(ge=1)
    created: AwareDatetime
    levels: tuple[StoredLevel, ...] = Field(min_length=1, description="in the order in which they run")
    input_name: str = "volume"
    context_name: str = Field(default="context", description="second input of every level but the first")
    output_name: str = "probability"
    precision: Literal["fp32", "fp16"] = Field(default="fp32", description="of the stored weights")
    preprocessing: PreprocessingSpec
    lower_precisions: tuple[LowerPrecision, ...] = ()
    postprocessing: PostprocessingSpec = PostprocessingSpec()
    quality: QualitySpec = QualitySpec()
    selftest: SelfTest
    training: TrainingRecord
    accuracy: AccuracySummary | None = None
    volume_interval: VolumeInterval | None = Field(default=None, description="None where too few cases support one")

    @model_validator(mode="before")
    @classmethod
    def _convert_earlier_version(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        needed = [name for name in REMOVED if content.get(name) is not None]
        if needed:
            raise ValueError(f"it uses removed features ({', '.join(needed)}); serve it with fetalhead 0.1")
        return _convert({name: value for name, value in content.items() if name not in REMOVED})

    @model_validator(mode="after")
    def _check_levels(self) -> Self:
        if self.levels[0].region is not None:
            raise ValueError("the first level has no level below it to find a region: its region must be null")
        served, own = self.preprocessing.spacing_mm, [level.grid_spacing_mm for level in self.levels]
        if any(spacing is not None and spacing <= served for spacing in own):
            raise ValueError(f"a level's own grid must be coarser than the served one of {served} mm, got {own}")
        return self

    @property
    def file_hashes(self) -> dict[str, str]:
        """The SHA-256 of every file of the model, by name."""
        others = [level for lower in self.lower_precisions for level in lower.levels]
        parts: list[NetworkFile | SelfTest] = [*self.levels, *others, self.selftest]
        return {part.file: part.sha256 for part in parts}

    def lower_precision(self, precision: str) -> LowerPrecision | None:
        """Return this precision's gate and files, or None if the model did not pass it."""
        return next((lower for lower in self.lower_precisions if lower.precision == precision), None)


class _Focus(RegionGate):
    """The region of earlier versions: one margin for all levels above the first."""

    margin_mm: float


def _convert(content: dict[str, Any]) -> dict[str, Any]:
    """Convert a manifest of an earlier version; gates of int8 are left out, the model has others."""
    known = dict(content)
    if isinstance(lower := known.get("lower_precisions"), list):
        known["lower_precisions"] = [
            part for part in lower if not isinstance(part, dict) or part.get("precision") != "int8"
        ]
    if (given := known.pop("focus", None)) is not None:
        focus = _Focus.model_validate(given)
        threshold = PostprocessingSpec.model_validate(known.get("postprocessing", {})).threshold
        region = RegionSpec(margin_mm=focus.margin_mm, threshold=threshold)
        gate = RegionGate(cases=focus.cases, dsc_loss=focus.dsc_loss)
        first, *others = [StoredLevel.model_validate(level) for level in known.get("levels", ())]
        update = {"region": region, "region_gate": gate}
        known["levels"] = [first, *(level.model_copy(update=update) for level in others)]
    return known
