"""Options and output shared by the groups of commands."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Iterable, Sequence
from math import nan
from pathlib import Path

from app.console import positive
from model_store import packaged_store
from training.config.presets import list_presets, load_config
from training.config.training import TrainingConfig
from training.fitting.run_folder import RunFolder
from training.phantom import Phantom, SimulationRequest
from training.phantom.background import FIRST
from training.phantom.cohort import load_or_simulate, make_cohort, request_for
from training.phantom.scene import SPACINGS_MM
from training.progress import with_progress

STORE = "FETALHEAD_MODEL_STORE"


def add_store(command: argparse.ArgumentParser, use: str, written: bool = False) -> None:
    """Add --store, by default the service's own setting, else model_store, else, for reading, the installed one."""
    folder = Path(os.environ.get(STORE) or "model_store")
    default = folder if written or STORE in os.environ or folder.is_dir() else packaged_store()
    shown = f"{STORE}, else model_store" + ("" if written else ", else the installed one")
    command.add_argument("--store", type=Path, default=default, help=f"model store {use} (default: {shown})")


def add_training(command: argparse.ArgumentParser) -> None:
    """Add the preset, what it continues from, the folder of the run and the budget."""
    command.add_argument("preset", help=f"one of {', '.join(list_presets())}, or the path of a .toml file")
    command.add_argument(
        "--from", dest="start", help="continue from a model: fetal_head/8, fetal_head or a run's folder"
    )
    command.add_argument("--run", type=Path, help="folder for weights, checkpoints, TensorBoard (default: runs/PRESET)")
    command.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")


def load_preset(options: argparse.Namespace) -> TrainingConfig:
    """Return the preset that was named, with the budget that was given, if any."""
    config = load_config(options.preset)
    return config if options.minutes is None else config.with_minutes(options.minutes)


def choose_run(options: argparse.Namespace, config: TrainingConfig) -> RunFolder:
    """Return the folder of the run: the one that was named, or that of the preset."""
    return RunFolder(options.run) if options.run else RunFolder.of_preset(config.name)


def add_split(command: argparse.ArgumentParser) -> None:
    """Add --split, which divides own data into parts."""
    words = "of your own volumes: CSV with the columns name,part, or TOML (default: DIR/split.csv, else by patient)"
    command.add_argument("--split", type=Path, help=f"train, validation and test {words}")


def add_scans(command: argparse.ArgumentParser, cases: int, spacing: float) -> None:
    """Add the number of simulated scans, their voxel size, and the folder that keeps them."""
    command.add_argument("--cases", type=positive, default=cases, help=f"number of scans (default: {cases})")
    add_spacing(command, spacing)


def add_spacing(command: argparse.ArgumentParser, spacing: float) -> None:
    """Add the voxel size of simulated scans, and the folder that keeps them."""
    command.add_argument("--spacing", type=spacing_mm, default=spacing, help=f"voxel size, mm (default: {spacing})")
    command.add_argument("--phantoms", type=Path, help="keep the simulated scans in this folder")


def tell(options: argparse.Namespace, text: object, **content: object) -> None:
    """Print a command's result for people, or with --json as one object, with paths as text."""
    print(json.dumps(content, default=str) if options.json else text, flush=True)


def simulate_scans(
    folder: Path, requests: Sequence[SimulationRequest], make: Callable[..., Iterable[Path]] = make_cohort
) -> None:
    """Simulate the scans that a folder lacks, and show the progress."""
    for _ in with_progress(make(folder, requests), len(requests), "phantoms"):
        pass


def validation_phantoms(options: argparse.Namespace) -> Iterable[Phantom]:
    """Return phantoms of the validation cohort, one for each case."""
    requests = (request_for("validation", number, options.spacing) for number in range(options.cases))
    return (load_or_simulate(request, options.phantoms) for request in requests)


def wanted_phantoms(config: TrainingConfig, none: bool) -> list[SimulationRequest]:
    """Return the scans that training needs, in its order: a few of every batch, then the rest of each in turn.

    Each level has cases of its own, and one that is not trained needs none.
    """
    if none or config.phantoms is None:
        return []
    batches = config.phantoms.batches
    few = FIRST // len(batches)
    numbers = [*((b, range(min(few, b.cases))) for b in batches), *((b, range(few, b.cases)) for b in batches)]
    return [request_for(b.cohort, b.first + n, b.spacing_mm) for b, wanted in numbers for n in wanted]


def spacing_mm(text: str) -> float:
    """Parse the voxel size of simulated scans, mm, for argparse."""
    least, most = SPACINGS_MM
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size from {least:g} to {most:g} mm")
    return value
