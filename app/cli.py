"""The `fetalhead` command.

Exit codes: 0 all well; 1 some input could not be measured, or some stored content was altered; 2 wrong arguments or
settings; 3 no model can be run.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import uvicorn
from pydantic import ValidationError

from app.access.control import Access
from app.access.errors import AccessError
from app.access.key_commands import add_keys_commands
from app.batch import segment_files
from app.inference.errors import InferenceError
from app.inference.model_store import ModelStore
from app.inference.session import installed_runtime
from app.main import create_app
from app.monitoring.logs import configure_logging
from app.records.artifacts import ArtifactStore
from app.records.database import open_database
from app.records.errors import BrokenAuditTrailError, DatabaseUnavailableError
from app.records.repository import Repository
from app.settings import PREFIX, Settings, environment_name, unknown_variables

FINE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO_MODEL: Final = 3
NO_RUNTIME = "No ONNX Runtime is installed. Install one: pip install 'fetalhead[cpu]', or 'fetalhead[gpu]' for CUDA."


class SettingsError(Exception):
    """The environment holds settings that cannot be used."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and gives its exit code."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace, Settings], int] = options.command
    try:
        return command(options, _settings())
    except SettingsError as error:
        return _complain(str(error), USAGE)
    except InferenceError as error:
        return _complain(str(error), NO_MODEL)
    except (DatabaseUnavailableError, AccessError) as error:
        return _complain(str(error), USAGE)


def _parser() -> argparse.ArgumentParser:
    description, epilog = (__doc__ or "").split("\n\n", maxsplit=1)
    parser = argparse.ArgumentParser("fetalhead", description=description, epilog=epilog)
    parser.add_argument("--version", action="version", version=version("fetalhead"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the service in the foreground")
    serve.set_defaults(command=_serve)

    segment = commands.add_parser("segment", help="measure files without a service")
    segment.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="NIfTI files")
    segment.add_argument("-o", "--output", required=True, type=Path, metavar="OUT", help="folder for the results")
    segment.add_argument("--json", action="store_true", help="print one JSON object per file")
    segment.add_argument("--gestational-age-weeks", type=float, metavar="WEEKS")
    segment.add_argument("--force", action="store_true", help="measure again what OUT already holds")
    segment.set_defaults(command=_segment)

    models = commands.add_parser("models", help="the model store").add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("list", _list_models, "list the published versions"),
        ("verify", _verify_models, "check every file of every version against its hash"),
    ):
        action = models.add_parser(name, help=text)
        action.add_argument("--json", action="store_true", help="print one JSON object per version")
        action.set_defaults(command=command)

    audit = commands.add_parser("audit", help="the audit trail").add_subparsers(required=True, metavar="ACTION")
    audit.add_parser("verify", help="check that no line was altered").set_defaults(command=_verify_audit)

    add_keys_commands(commands)

    openapi = commands.add_parser("openapi", help="print the OpenAPI document")
    openapi.set_defaults(command=_print_openapi)
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
    if installed_runtime() is None:
        return _complain(NO_RUNTIME, NO_MODEL)
    Access(settings).check()
    _check_storage(settings)
    configure_logging(settings.log_level, settings.log_format)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        ssl_certfile=settings.tls_certificate_file,
        ssl_keyfile=settings.tls_key_file,
        timeout_graceful_shutdown=int(settings.shutdown_timeout_s) or None,
    )
    return FINE


def _check_storage(settings: Settings) -> None:
    """Finds out before the start whether the service can write, so that it can say so plainly."""
    try:
        ArtifactStore(settings.artifacts_dir)
    except OSError as error:
        raise SettingsError(f"FETALHEAD_DATA_DIR {settings.data_dir} cannot be written: {error.strerror}.") from error
    open_database(settings.effective_database_url).dispose()


def _segment(options: argparse.Namespace, settings: Settings) -> int:
    if installed_runtime() is None:
        return _complain(NO_RUNTIME, NO_MODEL)
    failures = 0
    for result in segment_files(options.inputs, options.output, settings, options.gestational_age_weeks, options.force):
        print(json.dumps(result.content) if options.json else result.line, flush=True)
        failures += not result.measured
    return FAILED if failures else FINE


def _list_models(options: argparse.Namespace, settings: Settings) -> int:
    store = ModelStore(settings.model_store)
    for number in store.versions(settings.model_name):
        manifest = store.manifest(settings.model_name, number)
        if options.json:
            print(json.dumps(manifest.model_dump(mode="json")))
        else:
            print(f"{manifest.name} {number}  {manifest.created:%Y-%m-%d}  {manifest.training.data}")
    return FINE


def _verify_models(options: argparse.Namespace, settings: Settings) -> int:
    store, code = ModelStore(settings.model_store), FINE
    versions = store.versions(settings.model_name)
    if not versions:
        return _complain(f"{settings.model_store} holds no version of {settings.model_name}.", NO_MODEL)
    for number in versions:
        problem = _model_problem(store, settings.model_name, number)
        code = FAILED if problem else code
        content = {"name": settings.model_name, "version": number, "problem": problem}
        print(json.dumps(content) if options.json else f"{settings.model_name} {number}  {problem or 'intact'}")
    return code


def _model_problem(store: ModelStore, name: str, number: int) -> str | None:
    try:
        store.resolve(name, number)
    except InferenceError as error:
        return str(error)
    return None


def _verify_audit(_: argparse.Namespace, settings: Settings) -> int:
    engine = open_database(settings.effective_database_url)
    try:
        lines = Repository(engine, ArtifactStore(settings.artifacts_dir)).verify_audit_trail()
    except BrokenAuditTrailError as error:
        return _complain(str(error), FAILED)
    finally:
        engine.dispose()
    print(f"{lines} audit lines, none altered")
    return FINE


def _print_openapi(_: argparse.Namespace, settings: Settings) -> int:
    print(json.dumps(create_app(settings).openapi(), indent=2))
    return FINE


def _complain(text: str, code: int) -> int:
    print(f"fetalhead: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
