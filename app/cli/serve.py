"""The commands `serve` and `openapi`."""

from __future__ import annotations

import argparse
import json
from contextlib import suppress

from app.console import FAILED, FINE, NO_MODEL, NO_RUNTIME, Commands, complain
from app.settings import Settings, SettingsError


def add_serve(commands: Commands) -> None:
    """Add the command that runs the service."""
    commands.add_parser("serve", help="run the service in the foreground").set_defaults(command=_serve)


def add_openapi(commands: Commands) -> None:
    """Add the command that prints the OpenAPI document."""
    commands.add_parser("openapi", help="print the OpenAPI document").set_defaults(command=_print_openapi)


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
    return FINE if server.started else complain("The service did not start; the log above says why.", FAILED)


def _check_storage(settings: Settings) -> None:
    """Check before the start that the service can write, for a clear error message."""
    from app.records.lock import FolderLock
    from app.records.opening import open_records

    try:
        FolderLock(settings.data_dir).close()
        open_records(settings.database, settings.data_dir).close()
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
