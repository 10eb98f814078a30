"""The commands `serve` and `openapi`."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.cli.stopping import AtOnce
from app.console import FAILED, FINE, NO_MODEL, NO_RUNTIME, Commands, complain
from app.files import path_text
from app.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from app.records.lock import RecordsLock
    from app.service.server import Server

LAST_PORT: Final = 65535


def add_serve(commands: Commands) -> None:
    """Add the command that runs the service."""
    serve = commands.add_parser("serve", help="run the service in the foreground")
    serve.add_argument("--host", metavar="ADDRESS", help="address to listen on, instead of FETALHEAD_HOST")
    serve.add_argument("--port", type=_port, help="port to listen on, instead of FETALHEAD_PORT; 0 takes a free one")
    serve.add_argument(
        "--data", type=Path, metavar="FOLDER", help="folder for everything it writes, instead of FETALHEAD_DATA_DIR"
    )
    serve.set_defaults(command=_serve)


def add_openapi(commands: Commands) -> None:
    """Add the command that prints the OpenAPI document."""
    commands.add_parser("openapi", help="print the OpenAPI document").set_defaults(command=_print_openapi)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; expected a whole number from 0 to {LAST_PORT}")
    return int(text)


def _serve(options: argparse.Namespace, _: Settings) -> int:
    with AtOnce():
        server = _prepare(options)
    if server is None:
        return complain(NO_RUNTIME, NO_MODEL)
    try:
        server.run()
    except KeyboardInterrupt:
        if not server.started:
            raise
    except SystemExit:
        pass
    return FINE if server.started else complain("The service did not start; the log above says why.", FAILED)


def _prepare(options: argparse.Namespace) -> Server | None:
    """Return what is ready to run; None where no runtime is installed."""
    from app.access.control import Access
    from app.inference.runtime.session import is_runtime_installed
    from app.main import create_app
    from app.monitoring.logs import configure_logging
    from app.service.server import Server, shorten_pauses

    if not is_runtime_installed():
        return None
    given = {"host": options.host, "port": options.port, "data_dir": options.data}
    settings = read_settings(**{name: value for name, value in given.items() if value is not None})
    Access(settings).check()
    lock = _lock_storage(settings)
    try:
        _check_address(settings)
    except SettingsError:
        lock.close()
        raise
    in_terminal = sys.stderr.isatty()
    plain = in_terminal and "log_format" not in settings.model_fields_set
    configure_logging(settings.log_level, "text" if plain else settings.log_format)
    server = Server(create_app(settings, lock), settings, partial(_announce, settings) if in_terminal else None)
    shorten_pauses()
    return server


def _announce(settings: Settings, address: str) -> None:
    data = path_text(settings.data_dir.absolute())
    print(f"Open {address} in a browser; Ctrl+C stops the service. Its records lie in {data}.", file=sys.stderr)


def _lock_storage(settings: Settings) -> RecordsLock:
    """Lock the records and check that the service can write them, before the start for a clear error message."""
    from app.records.lock import RecordsLock
    from app.records.opening import open_records

    try:
        with ExitStack() as unless_opened:
            lock = unless_opened.enter_context(closing(RecordsLock(settings.database, settings.data_dir)))
            open_records(settings.database, settings.data_dir).close()
            unless_opened.pop_all()
        return lock
    except OSError as error:
        raise SettingsError(f"FETALHEAD_DATA_DIR {settings.data_dir} cannot be written: {error.strerror}.") from error


def _check_address(settings: Settings) -> None:
    from app.service.server import why_not_listening

    if reason := why_not_listening(settings.host, settings.port):
        raise SettingsError(
            f"Nothing can listen at {settings.host}:{settings.port} ({reason}). Stop the process that uses it, or set "
            "FETALHEAD_HOST and FETALHEAD_PORT to another address of this machine."
        )


def _print_openapi(_: argparse.Namespace, settings: Settings) -> int:
    from app.main import create_app

    print(json.dumps(create_app(settings).openapi(), indent=2))
    return FINE
