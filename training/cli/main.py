"""The `fetalhead-train` command.

Exit codes: 0 success, 1 the work failed (a parity check, a damaged model), 2 the input cannot be used, 141 the reader
of the output has gone.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence

from app.console import Parser, add_completion, end_silently, make_completion, print_any_text
from app.inference.runtime.telemetry import forbid_telemetry
from training.cli.ablation import add_ablation
from training.cli.benchmark import add_benchmark
from training.cli.evaluate import add_evaluate
from training.cli.export import add_export
from training.cli.fit import add_fit
from training.cli.release import add_release
from training.cli.simulate import add_simulate
from training.config.training import ConfigError

EXTRA = "make develop, in the sources, or pip install 'fetalhead[cpu,train]'"
Command = Callable[[argparse.Namespace], object]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    print_any_text()
    forbid_telemetry()
    options = make_parser().parse_args(arguments)
    command: Command = options.command
    try:
        command(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return end_silently()
    except ConfigError as error:
        return _complain(str(error), 2, options)
    except ModuleNotFoundError as error:
        return _complain(f"{error.name} is not installed. Install what training needs: {EXTRA}.", 2, options)
    except OSError as error:
        return _complain(str(error), 2, options)
    except Exception as error:
        if type(error).__module__.split(".")[0] not in {"app", "training"}:
            raise
        return _complain(str(error), 1, options)
    return 0


def _complain(text: str, code: int, options: argparse.Namespace) -> int:
    as_json = getattr(options, "json", False)
    print(json.dumps({"error": text, "exit_code": code}) if as_json else f"fetalhead-train: {text}", file=sys.stderr)
    return code


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and their arguments."""
    description, epilog = "Simulate, train, evaluate and publish.", (__doc__ or "").partition("\n\n")[2]
    parser: argparse.ArgumentParser = Parser(prog="fetalhead-train", description=description, epilog=epilog)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_simulate(commands)
    add_fit(commands)
    add_evaluate(commands)
    add_export(commands)
    add_release(commands)
    add_benchmark(commands)
    add_ablation(commands)
    for command in commands.choices.values():
        command.add_argument("--json", action="store_true", help="print the result as JSON; errors too")
    add_completion(commands, "fetalhead-train", lambda shell: make_completion(parser, shell))
    return parser


if __name__ == "__main__":
    sys.exit(main())
