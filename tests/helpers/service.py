"""A whole service in this process: real server, application, database, files and a small real network."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from app.main import create_app
from app.service.state import ServiceState
from app.settings import Settings

DEADLINE_S = 120.0


@dataclass(frozen=True)
class Service:
    client: httpx.Client
    state: ServiceState
    data: Path

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Keeps the thread for inference at work, so that requests wait."""
        done, begun = threading.Event(), threading.Event()

        def work() -> None:
            begun.set()
            done.wait(DEADLINE_S)

        future = self.state.jobs._inference.submit(work)
        begun.wait(DEADLINE_S)
        try:
            yield
        finally:
            done.set()
            future.result(DEADLINE_S)


@contextmanager
def running_service(data: Path, model_store: Path, wait: bool = True, **settings: Any) -> Iterator[Service]:
    values: dict[str, Any] = {"data_dir": data, "model_store": model_store, "provider": "cpu", "threads": 1}
    app = create_app(Settings(**(values | settings)))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False, server_header=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until(lambda: server.started or not thread.is_alive())
        port = server.servers[0].sockets[0].getsockname()[1]
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=DEADLINE_S) as client:
            if wait:
                until(lambda: client.get("/health/ready").status_code == 200)
            yield Service(client, app.state.service, data)
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)


def until(condition: Any) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


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
