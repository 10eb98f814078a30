"""The commands `ablation` and `randomisation`, which train one preset several times, each without one part."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands, positive
from training.cli.shared import load_preset, simulate_scans, spacing_mm, tell, wanted_phantoms
from training.config.training import TrainingConfig
from training.phantom.cohort import request_for
from training.progress import with_progress

if TYPE_CHECKING:
    from training.ablation.study import Ablation
    from training.cases.sources import CaseSource
    from training.phantom import SimulationRequest


def add_ablation(commands: Commands) -> None:
    """Add `ablation` and `randomisation`."""
    kinds = commands.add_parser("ablation", help="train a preset without each look or family, and measure on those")
    kinds.add_argument("--kind", choices=("look", "family"), default="look")
    _add_shared(kinds, "runs/ablation/PRESET-KIND")
    kinds.set_defaults(command=_ablate_kinds)
    parts = commands.add_parser("randomisation", help="train a preset without each kind of randomisation, and measure")
    _add_shared(parts, "runs/randomisation/PRESET")
    parts.set_defaults(command=_ablate_randomisation)


def _add_shared(command: argparse.ArgumentParser, root: str) -> None:
    command.add_argument("preset", help="name or path of a preset")
    command.add_argument(
        "--seeds", type=positive, default=1, help="number of trainings of each, each from its own seed"
    )
    command.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    command.add_argument("--root", type=Path, help=f"folder for runs and scans (default: {root})")
    command.add_argument("--cases", type=positive, default=40, help="test scans of each kind")
    command.add_argument("--spacing", type=spacing_mm, default=2.0, help="mm, of the test scans")
    command.add_argument("--minutes", type=float, help="replace the budget of every level by wall-clock time")
    command.add_argument("--no-phantoms", action="store_true", help="train on the scans in the folder; simulate none")


def _ablate_kinds(options: argparse.Namespace) -> None:
    from training.ablation.parts import ablate_kind

    config = load_preset(options)
    root = options.root or Path("runs/ablation") / f"{config.name}-{options.kind}"
    source = _open_source(options, config, root)
    _carry_out(options, ablate_kind(config, options.kind, source, root, _list_scans(options, "test")), source)


def _ablate_randomisation(options: argparse.Namespace) -> None:
    from training.ablation.parts import COHORTS, ablate_randomisation

    config = load_preset(options)
    root = options.root or Path("runs/randomisation") / config.name
    scans = {cohort: _list_scans(options, cohort) for cohort in COHORTS}
    _carry_out(options, ablate_randomisation(config, root, scans), _open_source(options, config, root))


def _carry_out(options: argparse.Namespace, work: Ablation, source: CaseSource) -> None:
    """Train, measure and write the result."""
    from training.ablation.study import format_table

    for name in work.fit(source, options.seeds):
        print(f"{name}: trained", file=sys.stderr if options.json else sys.stdout, flush=True)
    found = work.evaluate(with_progress, options.seeds)
    text = format_table(found)
    (work.root / "result.md").write_text(text + "\n", encoding="utf-8")
    tell(options, text, result=[one.model_dump(mode="json") for one in found])


def _list_scans(options: argparse.Namespace, cohort: str) -> list[SimulationRequest]:
    return [request_for(cohort, number, options.spacing) for number in range(options.cases)]


def _open_source(options: argparse.Namespace, config: TrainingConfig, root: Path) -> CaseSource:
    """Return the folder of training scans, after simulating those that are missing."""
    from training.cases.sources import PhantomCache

    folder: Path = options.phantoms or root / "phantoms"
    simulate_scans(folder, wanted_phantoms(config, options.no_phantoms))
    return PhantomCache(folder)
