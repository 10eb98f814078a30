"""The `fetalhead` command.

Exit codes: 0 all well; 1 some input could not be measured, or some stored content was altered; 2 wrong arguments or
settings, such as a port that is taken or a folder without records; 3 no model can be run, or the service that was
named cannot be reached; 130 stopped from the keyboard; 141 whoever read the output has gone. `serve` that is told to
stop finishes what it has begun: code 0 from the keyboard, and by SIGTERM that signal, which a shell shows as 143 (0
where it is a container's first process).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from app.access.errors import AccessError
from app.access.key_commands import add_keys_commands
from app.commands.records import add_records
from app.commands.segment import add_segment
from app.console import (
    FAILED,
    FINE,
    NO_MODEL,
    NO_RUNTIME,
    USAGE,
    Parser,
    add_completion,
    complain,
    reader_left,
    script,
)
from app.inference.errors import InferenceError
from app.records.errors import DatabaseUnavailableError, FolderInUseError, NoRecordsError
from app.settings import PREFIX, Settings, environment_name, unknown_variables

if TYPE_CHECKING:
    from app.inference.model_store import ModelStore

PURPOSE = "Measures whole fetal heads in 3D ultrasound volumes. Research use only; not a medical device."


class SettingsError(Exception):
    """The environment holds settings that cannot be used."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.command
    as_json = getattr(options, "json", False)
    try:
        code = command(options, _settings())
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return reader_left()
    except (SettingsError, DatabaseUnavailableError, FolderInUseError, NoRecordsError, AccessError) as error:
        return complain(str(error), USAGE, as_json)
    except InferenceError as error:
        return complain(str(error), NO_MODEL, as_json)


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = Parser(
        "fetalhead", description=PURPOSE, epilog=(__doc__ or "").partition("\n\n")[2]
    )
    parser.add_argument("--version", action="version", version=version("fetalhead"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the service in the foreground")
    serve.set_defaults(command=_serve)

    add_segment(commands)

    models = commands.add_parser("models", help="the model store").add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("list", _list_models, "list the published versions"),
        ("verify", _verify_models, "check every file of every version against its hash"),
    ):
        action = models.add_parser(name, help=text)
        action.add_argument("--json", action="store_true", help="print one JSON object per version")
        action.set_defaults(command=command)
    activate = models.add_parser("activate", help="serve another version, once it passed its self-test")
    activate.add_argument("version", type=int, metavar="VERSION")
    activate.add_argument("--url", help="ask this running service; without it, the next start serves the version")
    activate.add_argument("--api-key-file", type=Path, help="file with a key of the role admin, for --url")
    activate.add_argument("--json", action="store_true", help="print one JSON object")
    activate.set_defaults(command=_activate_model)

    add_records(commands)
    add_keys_commands(commands)

    openapi = commands.add_parser("openapi", help="print the OpenAPI document")
    openapi.set_defaults(command=_print_openapi)

    add_completion(commands, "fetalhead", lambda shell: script(parser, shell))
    return parser


def _settings() -> Settings:
    if unknown := unknown_variables(os.environ):
        raise SettingsError(f"Unknown settings: {', '.join(unknown)}. docs/settings.md lists those that exist.")
    try:
        return Settings()
    except ValidationError as error:
        problems = [": ".join([*_variables(item["loc"]), item["msg"]]) for item in error.errors()]
        raise SettingsError(f"Settings with the prefix {PREFIX} cannot be used. {'; '.join(problems)}") from error


def _variables(location: tuple[int | str, ...]) -> list[str]:
    return [environment_name(str(location[0]))] if location else []


def _serve(_: argparse.Namespace, settings: Settings) -> int:
    from app.access.control import Access
    from app.inference.runtime.session import is_runtime_installed
    from app.main import create_app
    from app.monitoring.logs import configure_logging
    from app.service.server import Server, shorten_pauses

    if not is_runtime_installed():
        return complain(NO_RUNTIME, NO_MODEL)
    Access(settings).check()
    _check_storage(settings)
    _check_address(settings)
    configure_logging(settings.log_level, settings.log_format)
    server = Server(create_app(settings), settings)
    shorten_pauses()
    with suppress(KeyboardInterrupt, SystemExit):
        server.run()
    return FINE if server.started else complain("The service did not start; its log above says why.", FAILED)


def _check_storage(settings: Settings) -> None:
    """Finds out before the start whether the service can write, so that it can say so plainly."""
    from app.records.lock import FolderLock
    from app.records.opening import open_records

    try:
        FolderLock(settings.data_dir).release()
        open_records(settings.effective_database_url, settings.data_dir).close()
    except OSError as error:
        raise SettingsError(f"FETALHEAD_DATA_DIR {settings.data_dir} cannot be written: {error.strerror}.") from error


def _check_address(settings: Settings) -> None:
    from app.service.server import why_not_listening

    if reason := why_not_listening(settings.host, settings.port):
        raise SettingsError(
            f"Nothing can listen at {settings.host}:{settings.port} ({reason}). Stop what does already, or set "
            "FETALHEAD_HOST and FETALHEAD_PORT to another address of this machine."
        )


def _list_models(options: argparse.Namespace, settings: Settings) -> int:
    from app.inference.model_store import ModelStore

    store, code = ModelStore(settings.model_store), FINE
    for number in store.versions(settings.model_name):
        try:
            manifest = store.manifest(settings.model_name, number)
        except InferenceError as error:
            code = FAILED
            _tell_state(options, settings.model_name, number, str(error))
            continue
        if options.json:
            print(json.dumps(manifest.model_dump(mode="json")))
        else:
            print(f"{manifest.name} {number}  {manifest.created:%Y-%m-%d}  {manifest.training.data}")
    return code


def _verify_models(options: argparse.Namespace, settings: Settings) -> int:
    from app.inference.model_store import ModelStore

    store, code = ModelStore(settings.model_store), FINE
    versions = store.versions(settings.model_name)
    if not versions:
        return complain(f"{settings.model_store} holds no version of {settings.model_name}.", NO_MODEL, options.json)
    for number in versions:
        problem = _model_problem(store, settings.model_name, number)
        code = FAILED if problem else code
        _tell_state(options, settings.model_name, number, problem)
    return code


def _tell_state(options: argparse.Namespace, name: str, number: int, problem: str | None) -> None:
    content = {"name": name, "version": number, "problem": problem}
    print(json.dumps(content) if options.json else f"{name} {number}  {problem or 'intact'}")


def _model_problem(store: ModelStore, name: str, number: int) -> str | None:
    try:
        model = store.resolve(name, number)
        model.evaluation()
        model.model_card()
    except InferenceError as error:
        return str(error)
    return None


def _activate_model(options: argparse.Namespace, settings: Settings) -> int:
    from app.activation import ActivationRefusedError, activate_at_next_start, activate_in_service

    try:
        if options.url is None:
            said = activate_at_next_start(settings, options.version)
        else:
            key = options.api_key_file and options.api_key_file.read_text(encoding="utf-8").strip()
            said = activate_in_service(options.url, options.version, key)
    except ActivationRefusedError as error:
        return complain(str(error), NO_MODEL, options.json)
    except OSError as error:
        return complain(f"{error.filename}: {error.strerror}", USAGE, options.json)
    content = {"version": options.version, "at": options.url or "next start", "message": said}
    print(json.dumps(content) if options.json else said)
    return FINE


def _print_openapi(_: argparse.Namespace, settings: Settings) -> int:
    from app.main import create_app

    print(json.dumps(create_app(settings).openapi(), indent=2))
    return FINE


if __name__ == "__main__":
    sys.exit(main())
