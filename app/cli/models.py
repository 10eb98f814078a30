"""The commands below `models`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from app.console import FAILED, FINE, NO_MODEL, CommandError, Commands, complain
from app.inference.errors import InferenceError
from app.settings import Settings

if TYPE_CHECKING:
    from app.inference.model_store import ModelStore

ACTIVATION_TIMEOUT_S = 300.0
"""Loading and testing a model takes seconds, on a busy machine longer."""


def add_models(commands: Commands) -> None:
    """Add the commands that list, verify and activate published versions."""
    models = commands.add_parser("models", help="the model store").add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("list", _list, "list the published versions"),
        ("verify", _verify, "check every file of every version against its hash"),
    ):
        action = models.add_parser(name, help=text)
        action.add_argument("--json", action="store_true", help="print one JSON object per version")
        action.set_defaults(command=command)
    activate = models.add_parser("activate", help="serve another version, once it has passed its self-test")
    activate.add_argument("version", type=int, metavar="VERSION")
    activate.add_argument("--url", help="activate in this running service; by default, from the next start")
    activate.add_argument("--api-key-file", type=Path, help="file that holds a key with the role admin, for --url")
    activate.add_argument("--json", action="store_true", help="print one JSON object")
    activate.set_defaults(command=_activate)


def _list(options: argparse.Namespace, settings: Settings) -> int:
    from app.inference.model_store import ModelStore

    store, code = ModelStore(settings.model_store), FINE
    for number in store.versions(settings.model_name):
        try:
            manifest = store.manifest(settings.model_name, number)
        except InferenceError as error:
            code = FAILED
            _print_state(options, settings.model_name, number, str(error))
            continue
        if options.json:
            print(json.dumps(manifest.model_dump(mode="json")))
        else:
            print(f"{manifest.name} {number}  {manifest.created:%Y-%m-%d}  {manifest.training.data}")
    return code


def _verify(options: argparse.Namespace, settings: Settings) -> int:
    from app.inference.model_store import ModelStore

    store, code = ModelStore(settings.model_store), FINE
    versions = store.versions(settings.model_name)
    if not versions:
        return complain(f"{settings.model_store} holds no version of {settings.model_name}.", NO_MODEL, options.json)
    for number in versions:
        problem = _model_problem(store, settings.model_name, number)
        code = FAILED if problem else code
        _print_state(options, settings.model_name, number, problem)
    return code


def _print_state(options: argparse.Namespace, name: str, number: int, problem: str | None) -> None:
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


def _activate(options: argparse.Namespace, settings: Settings) -> int:
    if options.url is None:
        message = _activate_at_next_start(settings, options.version)
    else:
        message = _activate_in_service(options.url, options.version, options.api_key_file)
    content = {"version": options.version, "at": options.url or "next start", "message": message}
    print(json.dumps(content) if options.json else message)
    return FINE


def _activate_at_next_start(settings: Settings, version: int) -> str:
    """Test a version here and remember it for the next start; return a message."""
    from app.inference.remembered_version import remember_version
    from app.measuring.loading import load_segmenter

    if settings.model_version is not None and settings.model_version != version:
        message = f"FETALHEAD_MODEL_VERSION is {settings.model_version} and takes precedence; unset it."
        raise CommandError(message, NO_MODEL)
    segmenter = load_segmenter(settings, version)
    try:
        remember_version(settings.data_dir, settings.model_name, version)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    tested = f"{settings.model_name} {version} passed its self-test ({segmenter.provider})"
    return f"{tested}; the next start serves it, with FETALHEAD_DATA_DIR {settings.data_dir.absolute()}"


def _activate_in_service(url: str, version: int, api_key_file: Path | None) -> str:
    """Activate a version in a running service; return a message."""
    from app.client import FetalHead, FetalHeadError, Retries

    try:
        key = None if api_key_file is None else api_key_file.read_text(encoding="utf-8").strip()
        with FetalHead(url, api_key=key, timeout_s=ACTIVATION_TIMEOUT_S, retries=Retries(attempts=1)) as service:
            found = service.activate(version)
    except OSError as error:
        raise CommandError(f"{error.filename}: {error.strerror}") from error
    except FetalHeadError as error:
        raise CommandError(str(error), NO_MODEL) from error
    return f"{found.model.name} {found.model.version} is served ({found.runtime.provider})"
