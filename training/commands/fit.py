"""Training: one preset, or a preset without each look or family."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from training.commands.shared import Commands, add_split, tell, with_progress
from training.config import ConfigError, TrainingConfig, load_config, preset_names

if TYPE_CHECKING:
    from training.phantom import SimulationRequest


def add_fit(commands: Commands) -> None:
    """Add `fit` and `leave-out`."""
    fit = commands.add_parser("fit", help="train the context levels of a preset")
    fit.add_argument("preset", help=f"one of {', '.join(preset_names())}, or the path of a .toml file")
    fit.add_argument(
        "--data",
        type=Path,
        help="folder of phantoms, where what lacks is made (default: runs/PRESET/phantoms), "
        "or of your own volumes: images/CASE.nii.gz with labels/CASE.nii.gz, or nnU-Net's imagesTr and labelsTr",
    )
    fit.add_argument("--from", dest="start", help="train this model on: fetal_head/3, fetal_head or a run's folder")
    fit.add_argument("--store", type=Path, default=Path("model_store"), help="model store that --from reads")
    add_split(fit)
    fit.add_argument("--run", type=Path, help="folder for weights, checkpoints, TensorBoard (default: runs/PRESET)")
    fit.add_argument("--no-phantoms", action="store_true", help="train on what the folder holds; make nothing")
    fit.add_argument("--level", type=int, action="append", help="train this context level only (repeatable)")
    fit.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")
    fit.add_argument("--resume", action="store_true", help="continue from the last checkpoint of a level")
    fit.set_defaults(command=_fit)
    _add_leave_out(commands)


def _add_leave_out(commands: Commands) -> None:
    leave = commands.add_parser("leave-out", help="train a preset without each look or family, measure on those")
    leave.add_argument("preset", help="name or path of a preset")
    leave.add_argument("--kind", choices=("look", "family"), default="look")
    leave.add_argument("--phantoms", type=Path, help="folder of training scans (default: ROOT/phantoms)")
    leave.add_argument("--root", type=Path, help="folder for runs and scans (default: runs/leave-out/PRESET-KIND)")
    leave.add_argument("--cases", type=int, default=40, help="test scans of each look or family")
    leave.add_argument("--spacing", type=float, default=2.0, help="mm, of the test scans")
    leave.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")
    leave.add_argument("--no-phantoms", action="store_true", help="train on what the folder holds; make nothing")
    leave.set_defaults(command=_leave_out)


def _fit(options: argparse.Namespace) -> None:
    config: TrainingConfig = load_config(options.preset)
    if options.minutes is not None:
        config = config.with_minutes(options.minutes)
    levels = tuple(options.level or range(1, config.cascade.context_levels + 1))
    run: Path = options.run or Path("runs") / config.name
    _train(options, config, run, levels)
    text = f"{run}: level {' and '.join(map(str, levels))} trained"
    tell(options, text, run=run, preset=config.name, levels=levels)


def _train(options: argparse.Namespace, config: TrainingConfig, run: Path, levels: tuple[int, ...]) -> None:
    from training import auto_context
    from training.data import PhantomCache
    from training.own_data.commands import OwnData, is_own
    from training.phantom.background import made_beside

    if is_own(options.data):
        own = OwnData(options.data, options.split)
        if options.start is None:
            return own.fit(config, run, levels, options.resume)
        return own.fine_tune(config, options.start, options.store, run, options.resume)
    data: Path = options.data or run / "phantoms"
    if options.start is not None:
        raise ConfigError(
            f"--from trains on your own volumes: {data} holds no images/ and labels/; name one with --data"
        )
    with made_beside(data, _wanted_phantoms(config, options.no_phantoms)):
        auto_context.fit(config, PhantomCache(data), run, levels, options.resume)


def _leave_out(options: argparse.Namespace) -> None:
    from training.benchmark.leave_out import LeaveOut, table
    from training.data import PhantomCache
    from training.phantom.cohort import make_cohort

    config = load_config(options.preset)
    if options.minutes is not None:
        config = config.with_minutes(options.minutes)
    root: Path = options.root or Path("runs/leave-out") / f"{config.name}-{options.kind}"
    phantoms: Path = options.phantoms or root / "phantoms"
    wanted = _wanted_phantoms(config, options.no_phantoms)
    for _ in with_progress(make_cohort(phantoms, wanted), len(wanted), "phantoms"):
        pass
    work = LeaveOut(config, options.kind, root, options.cases, options.spacing)
    for name in work.fit(PhantomCache(phantoms)):
        print(f"{name}: trained", file=sys.stderr if options.json else sys.stdout)
    found = work.evaluate(with_progress)
    (root / "result.md").write_text(table(found) + "\n", encoding="utf-8")
    tell(options, table(found), result=[one.model_dump(mode="json") for one in found])


def _wanted_phantoms(config: TrainingConfig, none: bool) -> list[SimulationRequest]:
    """Validation cases first, then the levels' cohorts in turn, as training needs them."""
    from training.phantom.cohort import request_for

    if none or config.phantoms is None:
        return []
    batches = config.phantoms.batches
    return [request_for(b.cohort, b.first + n, b.spacing_mm) for b in batches for n in range(b.cases)]
