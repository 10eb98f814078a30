"""The command `fit`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import Commands
from training.cli.shared import add_split, add_store, add_training, choose_run, load_preset, tell, wanted_phantoms
from training.config.training import ConfigError, TrainingConfig
from training.fitting.run_folder import RunFolder
from training.phantom.background import make_in_background
from training.progress import with_progress

if TYPE_CHECKING:
    from training.export.rules import KeptChange


def add_fit(commands: Commands) -> None:
    """Add `fit`."""
    fit = commands.add_parser("fit", help="train the context levels of a preset")
    add_training(fit)
    fit.add_argument(
        "--data",
        type=Path,
        help="folder of phantoms, where missing ones are simulated (default: runs/PRESET/phantoms), "
        "or of your own volumes: images/CASE.nii.gz with labels/CASE.nii.gz, or nnU-Net's imagesTr and labelsTr",
    )
    add_store(fit, "that --from reads")
    add_split(fit)
    fit.add_argument("--no-phantoms", action="store_true", help="train on the phantoms in the folder; simulate none")
    fit.add_argument("--level", type=int, action="append", help="train this context level only (repeatable)")
    fit.add_argument("--resume", action="store_true", help="continue from the last checkpoint of a level")
    fit.set_defaults(command=_fit)


def _fit(options: argparse.Namespace) -> None:
    config = load_preset(options)
    levels = tuple(options.level or config.trained_levels)
    if options.start is None and len(config.trained_levels) < config.context_levels:
        raise ConfigError(f"preset {config.name!r} trains only some levels; name the model of the others with --from")
    run = choose_run(options, config)
    kept = _train(options, config, run, levels)
    text = f"{run}: level {' and '.join(map(str, levels))} trained"
    if kept is None:
        tell(options, text, run=run.path, preset=config.name, levels=levels)
    else:
        tell(options, f"{run}: trained; {kept}", run=run.path, preset=config.name, kept=kept.model_dump())


def _train(
    options: argparse.Namespace, config: TrainingConfig, run: RunFolder, levels: tuple[int, ...]
) -> KeptChange | None:
    """Train; where a model was fine-tuned on own data, return how much of the change was kept."""
    from training.cases.sources import PhantomCache
    from training.export.rules import keep_rules
    from training.export.weights import load_weights
    from training.fitting import cascade as auto_context
    from training.own_data.dataset import OwnData, is_own
    from training.own_data.runs import OwnRun

    if is_own(options.data):
        own = OwnRun(OwnData(options.data, options.split), run)
        if options.start is not None:
            return own.fine_tune(config, options.start, options.store, options.resume, with_progress)
        own.fit(config, levels, options.resume)
        return None
    data: Path = options.data or run.phantoms
    if options.start is not None:
        config = auto_context.start_from(config, run, load_weights(options.start, options.store), levels)
        keep_rules(options.start, options.store, run)
    with make_in_background(data, wanted_phantoms(config, options.no_phantoms)):
        auto_context.fit(config, PhantomCache(data), run, levels, options.resume)
    return None
