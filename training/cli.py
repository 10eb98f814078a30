"""The `fetalhead-train` command."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from training.config import ConfigError, load_config, preset_names


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it worked, 2 with a message when the input cannot be used."""
    options = _parser().parse_args(arguments)
    try:
        options.run_command(options)
    except ConfigError as error:
        print(f"fetalhead-train: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetalhead-train", description="Train, evaluate and publish head segmenters.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    fit = commands.add_parser("fit", help="train the context levels of a preset")
    fit.add_argument("preset", help=f"one of {', '.join(preset_names())}, or the path of a .toml file")
    fit.add_argument("--data", type=Path, required=True, help="folder of phantoms; it may grow while training runs")
    fit.add_argument("--run", type=Path, required=True, help="folder for weights, checkpoints and TensorBoard")
    fit.add_argument("--level", type=int, action="append", help="train this context level only (repeatable)")
    fit.add_argument("--minutes", type=float, help="replace the wall-clock budget of every level")
    fit.add_argument("--resume", action="store_true", help="continue from the last checkpoint of a level")
    fit.set_defaults(run_command=_fit)
    return parser


def _fit(options: argparse.Namespace) -> None:
    from training import auto_context
    from training.data import PhantomCache

    config = load_config(options.preset)
    if options.minutes is not None:
        config = config.with_minutes(options.minutes)
    levels = tuple(options.level or range(1, config.cascade.context_levels + 1))
    auto_context.fit(config, PhantomCache(options.data), options.run, levels, options.resume)


if __name__ == "__main__":
    sys.exit(main())
