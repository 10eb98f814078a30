"""A whole service in this process: real server, application, database, files and a small real network."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import uvicorn

from app.main import create_app
from app.service.peer import Peered
from app.service.state import ServiceState
from app.settings import Settings

DEADLINE_S = 120.0
Found = TypeVar("Found")


@dataclass(frozen=True)
class Service:
    client: httpx.Client
    state: ServiceState
    data: Path
    loop: asyncio.AbstractEventLoop

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keeps the thread for inference at work, so that requests wait."""
        done, begun = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            done.wait(DEADLINE_S)

        async def load() -> None:
            await self.state.jobs.load(work)

        future = asyncio.run_coroutine_threadsafe(load(), self.loop)
        begun.wait(DEADLINE_S)
        try:
            yield
        finally:
            done.set()
            future.result(DEADLINE_S)

    def counted(self, name: str, **labels: str) -> float:
        """What a metric shows now; 0 where it was never counted."""
        return self.state.metrics.registry.get_sample_value(name, labels) or 0.0


class Server(uvicorn.Server):
    """Ends at once when it is told to: uvicorn looks ten times a second, and rests before it closes."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()

    async def main_loop(self) -> None:
        """Wait until somebody tells it to stop."""
        await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close every connection, wait for what is still answered, and end the application."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        while self.server_state.connections or self.server_state.tasks:
            await asyncio.sleep(0.001)
        await self.lifespan.shutdown()


@contextmanager
def running_service(data: Path, model_store: Path, wait: bool = True, **settings: Any) -> Iterator[Service]:
    values: dict[str, Any] = {"data_dir": data, "model_store": model_store, "provider": "cpu", "threads": 1}
    app = create_app(Settings(**(values | settings)))
    server = Server(
        uvicorn.Config(Peered(app), proxy_headers=False, port=0, log_config=None, access_log=False, server_header=False)
    )
    loops: list[asyncio.AbstractEventLoop] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        await server.serve()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as client:
            if wait:
                until(lambda: client.get("/health/ready").status_code == 200)
            yield Service(client, app.state.service, data, loops[0])
    finally:
        server.should_exit = True
        loops[0].call_soon_threadsafe(server.told.set)
        thread.join(DEADLINE_S)


def until(condition: Callable[[], Found | None]) -> Found:
    """Wait until something is there or holds; give it."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)
    return found


def post(client: httpx.Client, content: bytes, headers: dict[str, str] | None = None, **fields: Any) -> httpx.Response:
    """POST /segment with this file."""
    return client.post("/segment", files={"volume": ("x.nii.gz", content)}, data=fields, headers=headers)


def assert_problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem's members, after checking that it is whole."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["code"], body["status"], body["type"]) == (code, status, f"/problems/{code}"), body
    assert body["title"]
    assert body["detail"]
    assert body["remedy"]
    return body
