"""Comparisons that train one preset several times: without each look or family, without each kind of randomisation."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands, positive
from training.cli.shared import spacing_mm, tell, wanted_phantoms, with_progress
from training.config.presets import load_config
from training.config.training import TrainingConfig

if TYPE_CHECKING:
    from training.cases.sources import CaseSource


def add_recipes(commands: Commands) -> None:
    """Add `leave-out` and `randomisation`."""
    leave = commands.add_parser("leave-out", help="train a preset without each look or family, measure on those")
    leave.add_argument("preset", help="name or path of a preset")
    leave.add_argument("--kind", choices=("look", "family"), default="look")
    leave.add_argument("--seeds", type=positive, default=1, help="trainings of each, from seeds of its own")
    _add_shared(leave, "runs/leave-out/PRESET-KIND")
    leave.set_defaults(command=_leave_out)
    kinds = commands.add_parser("randomisation", help="train a preset without each kind of randomisation, measure that")
    kinds.add_argument("preset", help="name or path of a preset")
    _add_shared(kinds, "runs/randomisation/PRESET")
    kinds.set_defaults(command=_randomisation)


def _add_shared(command: argparse.ArgumentParser, root: str) -> None:
    command.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    command.add_argument("--root", type=Path, help=f"folder for runs and scans (default: {root})")
    command.add_argument("--cases", type=positive, default=40, help="test scans of each kind")
    command.add_argument("--spacing", type=spacing_mm, default=2.0, help="mm, of the test scans")
    command.add_argument("--minutes", type=float, help="replace the budget of every level by wall-clock time")
    command.add_argument("--no-phantoms", action="store_true", help="train on what the folder holds; make nothing")


def _leave_out(options: argparse.Namespace) -> None:
    from training.ablation.leave_out import LeaveOut, table

    config = _configured(options)
    root: Path = options.root or Path("runs/leave-out") / f"{config.name}-{options.kind}"
    work = LeaveOut(config, options.kind, root, options.cases, options.spacing, options.seeds)
    _trained(options, work.fit(_source(options, config, root)))
    found = work.evaluate(with_progress)
    _told(options, root, table(found), result=[one.model_dump(mode="json") for one in found])


def _randomisation(options: argparse.Namespace) -> None:
    from training.ablation.randomisation import Randomisation, table

    config = _configured(options)
    root: Path = options.root or Path("runs/randomisation") / config.name
    work = Randomisation(config, root, options.cases, options.spacing)
    _trained(options, work.fit(_source(options, config, root)))
    full, found = work.evaluate(with_progress)
    _told(options, root, table(full, found), full=full, result=[one.model_dump(mode="json") for one in found])


def _configured(options: argparse.Namespace) -> TrainingConfig:
    config = load_config(options.preset)
    return config if options.minutes is None else config.with_minutes(options.minutes)


def _source(options: argparse.Namespace, config: TrainingConfig, root: Path) -> CaseSource:
    """The folder of training scans, with what lacks made first."""
    from training.cases.sources import PhantomCache
    from training.phantom.cohort import make_cohort

    folder: Path = options.phantoms or root / "phantoms"
    wanted = wanted_phantoms(config, options.no_phantoms)
    for _ in with_progress(make_cohort(folder, wanted), len(wanted), "phantoms"):
        pass
    return PhantomCache(folder)


def _trained(options: argparse.Namespace, names: Iterator[str]) -> None:
    for name in names:
        print(f"{name}: trained", file=sys.stderr if options.json else sys.stdout, flush=True)


def _told(options: argparse.Namespace, root: Path, text: str, **content: object) -> None:
    (root / "result.md").write_text(text + "\n", encoding="utf-8")
    tell(options, text, **content)
