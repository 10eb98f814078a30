"""The server of `fetalhead serve`: told to stop, it finishes its work and keeps answering meanwhile."""

from __future__ import annotations

import gc
import ipaddress
import logging
import os
import socket
import sys
import time
from collections.abc import Callable

import uvicorn
from fastapi import FastAPI

from app.service.jobs import Jobs
from app.service.peer import Peered
from app.settings import Settings

LAST_ANSWERS_S = 5
"""Time for the last answers to be sent, once all work is done or ended."""
log = logging.getLogger("fetalhead.server")


class Server(uvicorn.Server):
    """A server that keeps its port while work is under way: results can be fetched, new volumes get 503."""

    def __init__(self, app: FastAPI, settings: Settings, announce: Callable[[str], None] | None = None) -> None:
        """Configure the server; `run` serves until the process is told to stop; `announce` gets its address."""
        super().__init__(
            uvicorn.Config(
                Peered(app),
                proxy_headers=False,  # `Peered` reads them
                host=settings.host,
                port=settings.port,
                http="h11",
                log_config=None,
                access_log=False,
                server_header=False,
                ssl_certfile=settings.tls_certificate_file,
                ssl_keyfile=settings.tls_key_file,
                timeout_graceful_shutdown=LAST_ANSWERS_S,
            )
        )
        self._app = app
        self._announce = announce
        self._patience_s = settings.shutdown_timeout_s
        self._deadline: float | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen, and announce where."""
        await super().startup(sockets)
        if self.started and self._announce is not None:
            self._announce(self._find_address())

    def _find_address(self) -> str:
        """Return the address for a browser on this machine."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        if ipaddress.ip_address(host).is_unspecified:
            host = "localhost"
        scheme = "https" if self.config.is_ssl else "http"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"

    async def on_tick(self, counter: int) -> bool:
        """Return whether to stop now; called ten times a second."""
        asked = await super().on_tick(counter)
        return asked and (self.force_exit or self._is_drained())

    def _is_drained(self) -> bool:
        jobs: Jobs = self._app.state.service.jobs
        if self._deadline is None:
            jobs.places.close()
            self._deadline = time.monotonic() + self._patience_s
            log.info("stopping", extra={"fields": {"idle": jobs.places.is_empty}})
        overdue = time.monotonic() >= self._deadline
        if overdue:
            jobs.interrupt()
        return overdue or jobs.places.is_empty


def why_not_listening(host: str, port: int) -> str | None:
    """Return why nothing can listen at this address, or None; uvicorn would only log it."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server((str(address[0]), int(address[1])), family=family).close()
    except OSError as error:
        number = error.errno or 0  # negative, and not a system error, if the host's name is unknown
        return os.strerror(number) if number > 0 else error.strerror
    return None


SWITCH_INTERVAL_S = 0.001
"""How long a computing thread may keep the lock while the event loop waits for it; Python's default is 0.005."""


def shorten_pauses() -> None:
    """Shorten the pauses in which nothing is answered; called once, after all imports and before the first request.

    The objects that exist by then (modules, routes, schemas: some 150,000) live as long as the process. They are hidden
    from the garbage collector, which otherwise traverses them with the lock held: 75 ms of a core each time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
