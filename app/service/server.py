"""The server of `fetalhead serve`: told to stop, it finishes what it has begun and goes on answering meanwhile."""

from __future__ import annotations

import gc
import logging
import os
import socket
import sys
import time

import uvicorn
from fastapi import FastAPI

from app.service.jobs import Jobs
from app.settings import Settings

LAST_ANSWERS_S = 5
"""Time that the last answers get to be sent, once all work is done or ended."""
log = logging.getLogger("fetalhead.server")


class Server(uvicorn.Server):
    """Keeps its port while work is under way: results can be fetched, new volumes get 503 with `Retry-After`."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        """Prepare; `run` serves until the process is told to stop."""
        super().__init__(
            uvicorn.Config(
                app,
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
        self._patience_s = settings.shutdown_timeout_s
        self._deadline: float | None = None

    async def on_tick(self, counter: int) -> bool:
        """Whether to stop now; asked ten times a second."""
        told = await super().on_tick(counter)
        return told and (self.force_exit or self._is_drained())

    def _is_drained(self) -> bool:
        jobs: Jobs = self._app.state.service.jobs
        if self._deadline is None:
            jobs.places.close()
            self._deadline = time.monotonic() + self._patience_s
            log.info("stopping", extra={"fields": {"idle": jobs.is_idle}})
        overdue = time.monotonic() >= self._deadline
        if overdue:
            jobs.interrupt()
        return overdue or jobs.is_idle


def why_not_listening(host: str, port: int) -> str | None:
    """Why nothing can listen at this address, or None; uvicorn would say so amidst its log."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        socket.create_server((str(address[0]), int(address[1])), family=family).close()
    except OSError as error:
        number = error.errno or 0  # negative where the host's name is not known, and not the system's
        return os.strerror(number) if number > 0 else error.strerror
    return None


SWITCH_INTERVAL_S = 0.001
"""How long a computing thread may keep the lock while the event loop asks for it; Python's own value is 0.005."""


def shorten_pauses() -> None:
    """Has the process answer evenly from now on; called once, when all is imported and before requests come.

    What was made so far (modules, routes, schemas: some 150,000 objects) lives as long as the process. It is taken out
    of the sight of the collector, which otherwise walks through it with the lock held: 75 ms of a core each time.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()
