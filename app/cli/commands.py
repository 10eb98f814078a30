"""The commands of `fetalhead`.

Exit codes: 0 success; 1 some input could not be measured, or some stored content was altered; 2 wrong arguments or
settings, such as a port in use or a folder without records; 3 no model can be run, or the named service cannot be
reached; 130 stopped from the keyboard; 141 the reader of the output has gone. A `serve` that is told to stop finishes
work under way: code 0 from the keyboard, and by SIGTERM that signal, which a shell shows as 143 (0 for the first
process of a container).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version

from app.access.errors import AccessError
from app.cli.compare import add_compare
from app.cli.keys import add_keys
from app.cli.models import add_models
from app.cli.records import add_records
from app.cli.segment import add_segment
from app.cli.serve import add_openapi, add_serve
from app.cli.stopping import STOPPED, AtOnce
from app.console import (
    FAILED,
    INTERRUPTED,
    NO_MODEL,
    USAGE,
    CommandError,
    Parser,
    add_completion,
    complain,
    end_silently,
    make_completion,
    print_any_text,
)
from app.inference.errors import InferenceError
from app.records.errors import DamageError, RecordsError
from app.settings import Settings, SettingsError, read_settings

CODES: Mapping[type[Exception], int] = {
    DamageError: FAILED,
    RecordsError: USAGE,
    AccessError: USAGE,
    SettingsError: USAGE,
    InferenceError: NO_MODEL,
}
"""The exit codes of errors; the first class that an error belongs to counts."""
PURPOSE = "Measures whole fetal heads in 3D ultrasound volumes. Research use only; not a medical device."


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    print_any_text()
    with AtOnce():
        options = make_parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.command
    as_json = getattr(options, "json", False)
    try:
        code = command(options, read_settings())
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return complain(STOPPED, INTERRUPTED, as_json)
    except BrokenPipeError:
        return end_silently()
    except OSError as error:
        end_silently()
        return complain(f"The output cannot be written: {error.strerror or error}.", FAILED, as_json)
    except CommandError as error:
        return complain(str(error), error.code, as_json)
    except tuple(CODES) as error:
        return complain(str(error), next(code for kind, code in CODES.items() if isinstance(error, kind)), as_json)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands and their arguments."""
    parser: argparse.ArgumentParser = Parser(
        "fetalhead", description=PURPOSE, epilog=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("--version", action="version", version=version("fetalhead"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    add_serve(commands)
    add_segment(commands)
    add_compare(commands)
    add_models(commands)
    add_records(commands)
    add_keys(commands)
    add_openapi(commands)
    add_completion(commands, "fetalhead", lambda shell: make_completion(parser, shell))
    return parser
