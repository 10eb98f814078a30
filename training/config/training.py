"""The training configuration, a frozen value; unknown keys are refused."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from app.imaging.levels import LevelSpec
from app.imaging.preprocess import PreprocessingSpec
from app.inference.manifest import TrainingStep
from training.config.data import DataConfig, PhantomsConfig, Section
from training.config.network import NetworkConfig


class ConfigError(Exception):
    """A preset that cannot be used; the message names the value, what was expected and the remedy."""


class CascadeConfig(Section):
    """The auto-context cascade: whether each level starts from the weights of the one below."""

    removed: ClassVar = {"join": "sum", "out_of_fold": "disjoint", "folds": 5, "mirrored_levels": []}

    warm_start: bool = False


class AugmentationConfig(Section):
    """Probabilities and ranges from which the augmentation of one sample is drawn."""

    flip: bool = True
    half_turns: bool = True
    rotation_degrees: float = Field(180.0, ge=0)
    rotation_probability: float = Field(0.8, ge=0, le=1)
    scale: tuple[float, float] = (0.8, 1.25)
    anisotropy: float = Field(0.08, ge=0)
    translation_mm: float = Field(10.0, ge=0)
    erase_probability: float = Field(0.3, ge=0, le=1)
    shadow_probability: float = Field(0.5, ge=0, le=1)
    contrast_probability: float = Field(0.7, ge=0, le=1)
    blur_probability: float = Field(0.3, ge=0, le=1)
    noise_probability: float = Field(0.4, ge=0, le=1)
    speckle_probability: float = Field(0.4, ge=0, le=1)
    gain_probability: float = Field(0.5, ge=0, le=1)
    crop_probability: float = Field(0.3, ge=0, le=1)
    close_crop_probability: float = Field(0.0, ge=0, le=1)  # down to the head, axes in any order
    band_probability: float = Field(0.2, ge=0, le=1)
    synthesis_probability: float = Field(0.2, ge=0, le=1)
    enabled: bool = True


class LossConfig(Section):
    """Loss (eq. 1 and 2): the metric of each head, whether auxiliary heads count, and the L2 factor lambda."""

    kind: Literal["cross_entropy", "dice_cross_entropy"] = "cross_entropy"
    deep_supervision: bool = True
    l2: float = Field(1e-5, ge=0)
    tissue_weight: float = Field(
        0.2, ge=0, description="of the cross-entropy of kinds of tissue, where these are learned"
    )
    place_weight: float = Field(1.0, ge=0, description="of the error of places in the head")


class OptimiserConfig(Section):
    """Adam, its schedule and the moving average of the weights."""

    learning_rate: float = Field(1e-5, gt=0)
    beta1: float = Field(0.5, ge=0, lt=1)
    beta2: float = Field(0.999, gt=0, lt=1)
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: float = Field(0.0, ge=0, lt=1)
    clip_norm: float = Field(0.0, ge=0)
    ema_decay: float = Field(0.0, ge=0, lt=1)


class Stage(Section):
    """One stage of coarse to fine: the grid, until which fraction of the budget, the shape of what a step sees."""

    spacing_mm: float = Field(gt=0)
    until: float = Field(1.0, gt=0, le=1)
    shape: tuple[int, int, int]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(n % 8 or n < 8 for n in self.shape):
            raise ValueError(f"a stage's shape needs multiples of 8, got {self.shape}")
        return self


class LevelConfig(LevelSpec):
    """One context level: its grid and its region, as served, and the stages in which it learns.

    `anatomy`: it also learns kinds of tissue and places in the head, of the cases that know them.
    """

    anatomy: bool = False
    stage: tuple[Stage, ...] = Field(min_length=1)

    @property
    def spec(self) -> LevelSpec:
        """What serving has to know of it."""
        return LevelSpec(grid_spacing_mm=self.grid_spacing_mm, region=self.region)

    @model_validator(mode="after")
    def _check(self) -> Self:
        ends = [stage.until for stage in self.stage]
        if ends != sorted(set(ends)) or ends[-1] != 1:
            raise ValueError(f"stages must end at rising fractions, the last at 1, got {ends}")
        last, extent_mm = self.stage[-1], None if self.region is None else self.region.extent_mm
        if extent_mm is not None and min(last.shape) * last.spacing_mm < extent_mm:
            raise ValueError(f"the last stage must see the whole region, {extent_mm} mm, got {last.shape} voxels")
        return self


class BudgetConfig(Section):
    """How long each level trains: minutes of wall-clock time, or steps, or epochs (exactly one).

    A level of 0 minutes or steps is not trained but taken over from what the run starts from.
    """

    minutes: tuple[float, ...] = ()
    steps: tuple[int, ...] = ()
    epochs: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if sum(map(bool, (self.minutes, self.steps, self.epochs))) != 1:
            raise ValueError(f"give exactly one of minutes, steps and epochs, got {self!r}")
        return self


class RuntimeConfig(Section):
    """How the machine is used; nothing here changes what is learned, except for rounding."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    num_threads: int = Field(1, ge=1)
    bf16: bool = True
    checkpoint_minutes: float = Field(5.0, gt=0)
    validate_minutes: float = Field(4.0, gt=0)
    log_steps: int = Field(10, ge=1)


class TrainingConfig(Section):
    """One training run, resolved; stored with every checkpoint."""

    removed: ClassVar = {"refinement": None}

    name: str
    description: str
    seed: int = 1
    network: NetworkConfig = NetworkConfig()
    cascade: CascadeConfig = CascadeConfig()
    preprocessing: PreprocessingSpec
    data: DataConfig
    phantoms: PhantomsConfig | None = None
    augmentation: AugmentationConfig = AugmentationConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    budget: BudgetConfig
    level: tuple[LevelConfig, ...] = Field(min_length=1, max_length=4)
    runtime: RuntimeConfig = RuntimeConfig()

    @model_validator(mode="before")
    @classmethod
    def _of_earlier_versions(cls, values: object) -> object:
        """Give every level its stages where there is one list of them: levels above the first had the last stage."""
        if not isinstance(values, dict):
            return values
        cascade, stages = dict(values.get("cascade", {})), values.get("stage")
        if "level" in values and (stages is not None or "context_levels" in cascade):
            raise ValueError(
                "stage and cascade.context_levels gave way to one [[level]] table, with its stages, per level"
            )
        if not isinstance(stages, list | tuple):
            return values
        others = int(cascade.pop("context_levels", 2)) - 1
        level = [{"stage": stages}, *({"stage": stages[-1:]} for _ in range(others))]
        rest = {name: value for name, value in values.items() if name != "stage"}
        return rest | {"cascade": cascade, "level": level}

    @model_validator(mode="after")
    def _check(self) -> Self:
        for number, level in enumerate(self.level, start=1):
            self._check_level(number, level)
        needed, levels = self.network.shape_divisor, self.context_levels
        shapes = [stage.shape for level in self.level for stage in level.stage]
        if self.preprocessing.shape_divisor % needed or any(n % needed for shape in shapes for n in shape):
            raise ValueError(
                f"preprocessing.shape_divisor and stage shapes need multiples of {needed} for this network"
            )
        for name, given in (("minutes", self.budget.minutes), ("steps", self.budget.steps)):
            if given and len(given) != levels:
                raise ValueError(f"budget.{name} needs one value per level ({levels}), got {given}")
        if len(self.data.train) != levels:
            raise ValueError(f"data.train needs one seed range per level ({levels}), got {len(self.data.train)}")
        if self.network.view != "volume" and levels > 1:
            raise ValueError(f"auto-context needs whole volumes, got {levels} levels and view {self.network.view!r}")
        return self

    def _check_level(self, number: int, level: LevelConfig) -> None:
        trained, served = level.stage[-1].spacing_mm, level.grid(self.preprocessing).spacing_mm
        if trained != served:
            raise ValueError(f"the last stage of level {number} trains at {trained} mm, serving at {served} mm")
        if level.grid_spacing_mm is not None and served <= self.preprocessing.spacing_mm:
            raise ValueError(
                f"a grid of its own must be coarser than preprocessing.spacing_mm, got {served} mm for level {number} "
                f"and {self.preprocessing.spacing_mm} mm"
            )
        if level.anatomy and self.network.architecture != "residual":
            raise ValueError(f"only the residual network has a head for anatomy, got {self.network.architecture!r}")
        if number == 1 and level.region is not None:
            raise ValueError("level 1 sees the whole volume: there is none below it that could find its region")
        if number > 1 and len(level.stage) > 1 and not self.context_with_case(number):
            raise ValueError(f"level {number} needs one stage: the maps of the levels below are right on no other grid")

    @property
    def steps(self) -> tuple[TrainingStep, ...]:
        """Every training that leads to this run's model, in order; this one is the last."""
        return (*self.data.earlier, TrainingStep(preset=self.name, data=self.data.source))

    @property
    def context_levels(self) -> int:
        """The number of levels."""
        return len(self.level)

    def context_with_case(self, number: int) -> bool:
        """Return whether level `number` takes what the levels below say of the whole volume, not of what a step sees.

        So it must where it sees a region, or where one of them has a grid or a region of its own.
        """
        return number > 1 and any(level.spec != LevelSpec() for level in self.level[:number])

    @property
    def trained_levels(self) -> tuple[int, ...]:
        """The levels, from 1, that have a budget."""
        given = self.budget.minutes or self.budget.steps
        return tuple(n for n in range(1, self.context_levels + 1) if not given or given[n - 1] > 0)

    def with_minutes(self, minutes: float) -> "TrainingConfig":
        """Return the same run with another wall-clock budget for every level."""
        budget = BudgetConfig(minutes=(minutes,) * self.context_levels)
        return self.model_copy(update={"budget": budget})
