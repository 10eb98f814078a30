"""The training configuration, a frozen value; unknown keys are refused."""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from app.imaging.preprocess import PreprocessingSpec
from app.inference.coarse import CoarserGrid
from app.inference.manifest import TrainingStep
from training.config.data import DataConfig, PhantomsConfig, Section
from training.config.network import NetworkConfig

REFINED_LEVELS = 2


class ConfigError(Exception):
    """A preset that cannot be used; the message names the value, what was expected and the remedy."""


class CascadeConfig(Section):
    """The auto-context cascade: the number of levels, and whether each starts from the weights of the one below."""

    removed: ClassVar = {"join": "sum", "out_of_fold": "disjoint", "folds": 5, "mirrored_levels": []}

    context_levels: int = Field(2, ge=1, le=4)
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
    """One stage of coarse to fine: the grid, until which fraction of the budget."""

    spacing_mm: float = Field(gt=0)
    until: float = Field(gt=0, le=1)
    shape: tuple[int, int, int]

    @model_validator(mode="after")
    def _check(self) -> Self:
        if any(n % 8 or n < 8 for n in self.shape):
            raise ValueError(f"a stage's shape needs multiples of 8, got {self.shape}")
        return self


class RefinementConfig(Section):
    """Level 1 on a coarse grid of the whole volume, level 2 on the served, finer one in a box around the head.

    `coarse_spacing_mm` is level 1's grid, that of the last stage; `shape` the box that level 2 trains on, in voxels of
    the served grid; `margin_mm` what validation and serving leave around the head that level 1 found.
    """

    coarse_spacing_mm: float = Field(gt=0)
    shape: tuple[int, int, int]
    margin_mm: float = Field(10.0, ge=0)


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
    stage: tuple[Stage, ...] = Field(min_length=1)
    refinement: RefinementConfig | None = None
    runtime: RuntimeConfig = RuntimeConfig()

    @model_validator(mode="after")
    def _check(self) -> Self:
        ends = [stage.until for stage in self.stage]
        if ends != sorted(set(ends)) or ends[-1] != 1:
            raise ValueError(f"stages must end at rising fractions, the last at 1, got {ends}")
        if self.stage[-1].spacing_mm != self.first_grid.spacing_mm:
            served = self.first_grid.spacing_mm
            raise ValueError(f"the last stage trains at {self.stage[-1].spacing_mm} mm, serving at {served} mm")
        needed = self.network.shape_divisor
        shapes = [stage.shape for stage in self.stage]
        shapes += [self.refinement.shape] if self.refinement else []
        if self.preprocessing.shape_divisor % needed or any(n % needed for shape in shapes for n in shape):
            raise ValueError(
                f"preprocessing.shape_divisor and stage shapes need multiples of {needed} for this network"
            )
        levels = self.cascade.context_levels
        for name, given in (("minutes", self.budget.minutes), ("steps", self.budget.steps)):
            if given and len(given) != levels:
                raise ValueError(f"budget.{name} needs one value per level ({levels}), got {given}")
        if len(self.data.train) != levels:
            raise ValueError(f"data.train needs one seed range per level ({levels}), got {len(self.data.train)}")
        if self.refinement is not None and (
            levels != REFINED_LEVELS or self.refinement.coarse_spacing_mm <= self.preprocessing.spacing_mm
        ):
            raise ValueError(
                f"refinement needs two levels and a coarse grid, got {levels} and "
                f"{self.refinement.coarse_spacing_mm} mm against {self.preprocessing.spacing_mm} mm"
            )
        if self.network.view != "volume" and levels > 1:
            raise ValueError(f"auto-context needs whole volumes, got {levels} levels and view {self.network.view!r}")
        return self

    @property
    def steps(self) -> tuple[TrainingStep, ...]:
        """Every training that leads to this run's model, in order; this one is the last."""
        return (*self.data.earlier, TrainingStep(preset=self.name, data=self.data.source))

    @property
    def first_grid(self) -> PreprocessingSpec:
        """How level 1 wants its input: as all levels do, or on a coarser grid of its own."""
        if self.refinement is None:
            return self.preprocessing
        return self.preprocessing.model_copy(update={"spacing_mm": self.refinement.coarse_spacing_mm})

    @property
    def trained_levels(self) -> tuple[int, ...]:
        """The levels, from 1, that have a budget."""
        given = self.budget.minutes or self.budget.steps
        return tuple(n for n in range(1, self.cascade.context_levels + 1) if not given or given[n - 1] > 0)

    @property
    def coarse_first(self) -> CoarserGrid | None:
        """Level 1's grid where it is coarser than the served one."""
        return None if self.refinement is None else CoarserGrid(self.preprocessing.spacing_mm, self.first_grid)

    def with_minutes(self, minutes: float) -> "TrainingConfig":
        """The same run with another wall-clock budget for every level."""
        budget = BudgetConfig(minutes=(minutes,) * self.cascade.context_levels)
        return self.model_copy(update={"budget": budget})
