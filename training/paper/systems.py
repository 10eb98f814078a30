"""The systems of the paper's tables: one line of configuration each.

SAM n and UAM n count from the deepest module (paper, table 2): SAM-1 has the module at a quarter of the grid, SAM-12
also the one at half, USegNet-DS-SAM all three. Without a UAM the concatenation remains, which then carries the
auxiliary head. `USegNet-DS-Conv` is not in the paper: a control with two plain convolutions in the place of each UAM,
which separates the effect of attention from that of more layers. `COMPARISONS` pairs the systems that differ in one
part.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal

from training.config.training import ConfigError, TrainingConfig

ALL = (1, 2, 3)
TILE_MM = 60.8
"""The paper's tiles of 64 voxels of 0.95 mm."""
SMALLEST_TILE = 16


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's results on its 50 clinical volumes: per cent, mm and seconds."""

    dsc: float
    conformity: float
    jaccard: float
    adb_mm: float
    hdb_mm: float
    seconds: float | None = None


@dataclass(frozen=True)
class System:
    """One row of the tables: the system's switches, and the paper's results for it."""

    name: str
    tables: tuple[int, ...]
    paper: PaperRow | None = None
    sam: tuple[int, ...] = ()
    uam: tuple[int, ...] = ()
    skips: bool = True
    deep_supervision: bool = True
    context_levels: int = 1
    view: Literal["volume", "tiles", "slices"] = "volume"
    merge: Literal["concatenation", "block"] = "concatenation"

    @property
    def slug(self) -> str:
        """The name for folders and models: lower case, with underscores."""
        return self.name.lower().replace("-", "_")


@dataclass(frozen=True)
class SystemPair:
    """The names of two systems that differ in one part, and that part in words: `system` has it, `against` has not."""

    system: str
    against: str
    part: str


SYSTEMS = {
    system.name: system
    for system in (
        System("p-USegNet", (1,), PaperRow(93.31, 85.53, 87.53, 0.8908, 7.839), deep_supervision=False, view="tiles"),
        System("2D-USegNet", (1,), PaperRow(94.31, 87.86, 89.27, 0.8023, 6.861), deep_supervision=False, view="slices"),
        System("3D-DeconvNet", (1,), PaperRow(94.51, 88.31, 89.62, 0.6804, 6.334), deep_supervision=False, skips=False),
        System("USegNet", (1,), PaperRow(94.83, 89.06, 90.20, 0.6186, 5.400), deep_supervision=False),
        System("USegNet-DS", (1, 2), PaperRow(94.95, 89.33, 90.42, 0.6225, 5.409, 0.78)),
        System("USegNet-DS-UAM", (1, 2), PaperRow(95.57, 90.70, 91.54, 0.5242, 4.785, 0.88), uam=ALL),
        System("USegNet-DS-SAM", (1, 2), PaperRow(95.63, 90.83, 91.64, 0.5362, 4.702, 1.11), sam=ALL),
        System("USegNet-DS-HAS", (1,), PaperRow(95.85, 91.30, 92.05, 0.5070, 4.876), sam=ALL, uam=ALL),
        System(
            "USegNet-DS-HAS-Ctx",
            (1,),
            PaperRow(96.05, 91.74, 92.42, 0.4793, 4.609),
            sam=ALL,
            uam=ALL,
            context_levels=2,
        ),
        System("SAM-1", (2,), PaperRow(95.44, 90.42, 91.30, 0.5556, 4.939, 0.76), sam=(1,)),
        System("SAM-12", (2,), PaperRow(95.60, 90.75, 91.59, 0.5380, 5.149, 0.78), sam=(1, 2)),
        System("UAM-1", (2,), PaperRow(95.49, 90.51, 91.39, 0.5374, 4.832, 0.77), uam=(1,)),
        System("UAM-12", (2,), PaperRow(95.54, 90.62, 91.48, 0.5350, 5.024, 0.81), uam=(1, 2)),
        System("USegNet-DS-Conv", (), merge="block"),
    )
}

TABLE_1 = tuple(name for name, system in SYSTEMS.items() if 1 in system.tables)
TABLE_2 = ("USegNet-DS", "SAM-1", "SAM-12", "USegNet-DS-SAM", "UAM-1", "UAM-12", "USegNet-DS-UAM")
CONTROLS = ("USegNet-DS-Conv",)

COMPARISONS = tuple(
    SystemPair(*words)
    for words in (
        ("USegNet", "p-USegNet", "whole volumes, not tiles"),
        ("USegNet", "2D-USegNet", "volumes, not slices"),
        ("USegNet", "3D-DeconvNet", "skip connections"),
        ("USegNet-DS", "USegNet", "deep supervision"),
        ("USegNet-DS-SAM", "USegNet-DS", "SAM 1 to 3"),
        ("SAM-1", "USegNet-DS", "SAM 1"),
        ("SAM-12", "USegNet-DS", "SAM 1 and 2"),
        ("SAM-12", "SAM-1", "SAM 2"),
        ("USegNet-DS-SAM", "SAM-12", "SAM 3"),
        ("USegNet-DS-UAM", "USegNet-DS", "UAM 1 to 3"),
        ("UAM-1", "USegNet-DS", "UAM 1"),
        ("UAM-12", "USegNet-DS", "UAM 1 and 2"),
        ("UAM-12", "UAM-1", "UAM 2"),
        ("USegNet-DS-UAM", "UAM-12", "UAM 3"),
        ("USegNet-DS-Conv", "USegNet-DS", "two plain convolutions after each concatenation"),
        ("USegNet-DS-UAM", "USegNet-DS-Conv", "UAM, not two plain convolutions"),
        ("USegNet-DS-HAS", "USegNet-DS-SAM", "UAM 1 to 3"),
        ("USegNet-DS-HAS", "USegNet-DS-UAM", "SAM 1 to 3"),
        ("USegNet-DS-HAS-Ctx", "USegNet-DS-HAS", "a second context level"),
    )
)


def find_system(name: str) -> System:
    """Return the system with a name in upper or lower case.

    Raises:
        ConfigError: there is none.
    """
    wanted = name.lower().replace("_", "-")
    for system in SYSTEMS.values():
        if system.name.lower() == wanted:
            return system
    raise ConfigError(f"no system {name!r}; expected one of {', '.join(SYSTEMS)}")


def lends_level_1(system: System, to: System) -> bool:
    """Return whether the other's first context level is the same network, so that both share its training seeds."""
    return to.context_levels > system.context_levels == 1 and _strip_name(replace(to, context_levels=1)) == _strip_name(
        system
    )


def _strip_name(system: System) -> System:
    """Return the system without its name: two that are equal train the same network."""
    return replace(system, name="", tables=(), paper=None)


def configure(system: System, base: TrainingConfig) -> TrainingConfig:
    """Apply a system's own switches to a preset; everything else stays.

    The preset's levels beyond the system's are dropped, so that all systems share level 1's cases and steps. Tiles
    train in single precision: on grids as small as 4^3, the CPU's bf16 gradients of 5^3 kernels overflow at random.
    """
    levels = system.context_levels
    if levels > base.context_levels:
        raise ConfigError(f"{system.name} has {levels} context levels; preset {base.name} describes too few")
    switches = ("sam", "uam", "skips", "merge", "view")
    network = {name: getattr(system, name) for name in switches} | {"tile_voxels": _compute_tile_voxels(base)}
    budget = {"minutes": base.budget.minutes[:levels], "steps": base.budget.steps[:levels]}
    config = base.model_copy(
        update={
            "name": f"{base.name}/{system.slug}",
            "description": f"{system.name}: {base.description}",
            "network": base.network.model_copy(update=network),
            "level": base.level[:levels],
            "data": base.data.model_copy(update={"train": base.data.train[:levels]}),
            "loss": base.loss.model_copy(update={"deep_supervision": system.deep_supervision}),
            "budget": base.budget.model_copy(update=budget),
            "runtime": base.runtime.model_copy(update={"bf16": base.runtime.bf16 and system.view != "tiles"}),
        }
    )
    if system.view == "slices" and base.network.slice_spacing_mm is not None:
        config = _change_grid(config, base.network.slice_spacing_mm)
    return TrainingConfig.model_validate(config.model_dump())


def _compute_tile_voxels(base: TrainingConfig) -> int:
    """Convert the paper's tile from millimetres to voxels of this grid: a multiple of 8, at least 16."""
    return max(SMALLEST_TILE, round(TILE_MM / base.preprocessing.spacing_mm / 8) * 8)


def _change_grid(config: TrainingConfig, spacing_mm: float) -> TrainingConfig:
    """Return the same fields of view on one grid of another spacing, trained in one stage."""
    last = config.level[0].stage[-1]
    shape = tuple(8 * math.ceil(n * last.spacing_mm / spacing_mm / 8) for n in last.shape)
    stage = last.model_copy(update={"spacing_mm": spacing_mm, "shape": shape})
    spec = config.preprocessing.model_copy(update={"spacing_mm": spacing_mm})
    level = config.level[0].model_copy(update={"stage": (stage,)})
    return config.model_copy(update={"preprocessing": spec, "level": (level,)})
