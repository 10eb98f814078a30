"""The commands `ablation` and `randomisation`, which train one preset several times, each without one part."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands, positive
from training.cli.shared import spacing_mm, tell, wanted_phantoms
from training.config.presets import load_config
from training.config.training import TrainingConfig
from training.progress import with_progress

if TYPE_CHECKING:
    from training.cases.sources import CaseSource


def add_ablation(commands: Commands) -> None:
    """Add `ablation` and `randomisation`."""
    ablation = commands.add_parser("ablation", help="train a preset without each look or family, and measure on those")
    ablation.add_argument("preset", help="name or path of a preset")
    ablation.add_argument("--kind", choices=("look", "family"), default="look")
    ablation.add_argument(
        "--seeds", type=positive, default=1, help="number of trainings of each, each from its own seed"
    )
    _add_shared(ablation, "runs/ablation/PRESET-KIND")
    ablation.set_defaults(command=_ablate_kinds)
    kinds = commands.add_parser("randomisation", help="train a preset without each kind of randomisation, and measure")
    kinds.add_argument("preset", help="name or path of a preset")
    _add_shared(kinds, "runs/randomisation/PRESET")
    kinds.set_defaults(command=_ablate_randomisation)


def _add_shared(command: argparse.ArgumentParser, root: str) -> None:
    command.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    command.add_argument("--root", type=Path, help=f"folder for runs and scans (default: {root})")
    command.add_argument("--cases", type=positive, default=40, help="test scans of each kind")
    command.add_argument("--spacing", type=spacing_mm, default=2.0, help="mm, of the test scans")
    command.add_argument("--minutes", type=float, help="replace the budget of every level by wall-clock time")
    command.add_argument("--no-phantoms", action="store_true", help="train on the scans in the folder; simulate none")


def _ablate_kinds(options: argparse.Namespace) -> None:
    from training.ablation.kinds import KindAblation, format_table

    config = _load_config(options)
    root: Path = options.root or Path("runs/ablation") / f"{config.name}-{options.kind}"
    work = KindAblation(config, options.kind, root, options.cases, options.spacing, options.seeds)
    _train(options, work.fit(_open_source(options, config, root)))
    found = work.evaluate(with_progress)
    _write_result(options, root, format_table(found), result=[one.model_dump(mode="json") for one in found])


def _ablate_randomisation(options: argparse.Namespace) -> None:
    from training.ablation.randomisation import RandomisationAblation, format_table

    config = _load_config(options)
    root: Path = options.root or Path("runs/randomisation") / config.name
    work = RandomisationAblation(config, root, options.cases, options.spacing)
    _train(options, work.fit(_open_source(options, config, root)))
    full, found = work.evaluate(with_progress)
    _write_result(
        options, root, format_table(full, found), full=full, result=[one.model_dump(mode="json") for one in found]
    )


def _load_config(options: argparse.Namespace) -> TrainingConfig:
    config = load_config(options.preset)
    return config if options.minutes is None else config.with_minutes(options.minutes)


def _open_source(options: argparse.Namespace, config: TrainingConfig, root: Path) -> CaseSource:
    """Return the folder of training scans, after simulating those that are missing."""
    from training.cases.sources import PhantomCache
    from training.phantom.cohort import make_cohort

    folder: Path = options.phantoms or root / "phantoms"
    wanted = wanted_phantoms(config, options.no_phantoms)
    for _ in with_progress(make_cohort(folder, wanted), len(wanted), "phantoms"):
        pass
    return PhantomCache(folder)


def _train(options: argparse.Namespace, names: Iterator[str]) -> None:
    for name in names:
        print(f"{name}: trained", file=sys.stderr if options.json else sys.stdout, flush=True)


def _write_result(options: argparse.Namespace, root: Path, text: str, **content: object) -> None:
    (root / "result.md").write_text(text + "\n", encoding="utf-8")
    tell(options, text, **content)
