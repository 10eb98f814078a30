"""The `fetalhead-train` command.

Exit codes: 0 it worked, 1 the work failed (a parity check, a damaged model), 2 the input cannot be used.
"""

import argparse
import sys
from collections.abc import Callable, Sequence

from app.completion import add_completion, script
from training.commands.benchmark import add_benchmark
from training.commands.evaluate import add_evaluate
from training.commands.export import add_export
from training.commands.fit import add_fit
from training.commands.simulate import add_simulate
from training.config import ConfigError

Command = Callable[[argparse.Namespace], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = _parser().parse_args(arguments)
    command: Command = options.command
    try:
        command(options)
    except ConfigError as error:
        return _complain(error, 2)
    except Exception as error:
        if type(error).__module__.split(".")[0] not in {"app", "training"}:
            raise
        return _complain(error, 1)
    return 0


def _complain(error: Exception, code: int) -> int:
    print(f"fetalhead-train: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="fetalhead-train", description="Simulate, train, evaluate and publish.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_simulate(commands)
    add_fit(commands)
    add_evaluate(commands)
    add_export(commands)
    add_benchmark(commands)
    add_completion(commands, "fetalhead-train", lambda shell: script(parser, shell))
    return parser


if __name__ == "__main__":
    sys.exit(main())
