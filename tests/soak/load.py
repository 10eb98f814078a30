"""Clients of all kinds at once: patient and impatient ones, with good files, damaged ones and none."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from tests.helpers.makers import NiftiOptions, sphere_volume, volume_bytes

GZIP = NiftiOptions(compress=True)
SERVER_ERRORS = 500
BUSY = 503


def _volumes() -> tuple[bytes, ...]:
    shapes = ((64, 56, 60), (72, 60, 60), (60, 60, 68))
    return tuple(
        volume_bytes(sphere_volume(30.0 + 3 * n, shape), GZIP if n else None) for n, shape in enumerate(shapes)
    )


@dataclass
class Totals:
    """What the clients saw."""

    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    completed: set[str] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, answer: httpx.Response) -> None:
        """Count an answer; keep the id of a measurement, and the text of what must not be."""
        with self.lock:
            self.kinds[kind] += 1
            self.statuses[answer.status_code] += 1
            if answer.status_code >= SERVER_ERRORS and answer.status_code != BUSY:
                self.faults.append(f"{kind}: {answer.status_code} {answer.text[:300]}")
            if answer.status_code == httpx.codes.OK and answer.request.method == "POST":
                self.completed.add(answer.headers["location"].rpartition("/")[2])


class Client(threading.Thread):
    """One client that sends one request after another until the time is over."""

    def __init__(self, url: str, seed: int, until: float, totals: Totals) -> None:
        super().__init__(name=f"client {seed}")
        self._url = url
        self._random = random.Random(seed)
        self._until = until
        self._totals = totals
        self._volumes = _volumes()

    def run(self) -> None:
        """Send; what fails on the way is a fault, never an end."""
        kinds: dict[str, tuple[int, Callable[[httpx.Client], httpx.Response | None]]] = {
            "json": (8, lambda client: self._post(client, self._good())),
            "mask": (3, lambda client: self._post(client, self._good(), {"Accept": "application/gzip"})),
            "zip": (2, lambda client: self._post(client, self._good(), {"Accept": "application/zip"})),
            "async": (2, self._post_async),
            "truncated": (2, lambda client: self._post(client, self._truncated())),
            "noise": (2, lambda client: self._post(client, self._random.randbytes(3000))),
            "flipped": (3, lambda client: self._post(client, self._flipped())),
            "bad field": (1, lambda client: self._post(client, self._good(), weeks="soon")),
            "no form": (1, lambda client: client.post("/segment", content=b"volume")),
            "list": (2, lambda client: client.get("/volume", params={"limit": 5})),
            "hang up": (2, self._hang_up),
        }
        names, weights = list(kinds), [weight for weight, _ in kinds.values()]
        with httpx.Client(base_url=self._url, timeout=300) as client:
            while time.monotonic() < self._until:
                kind = self._random.choices(names, weights)[0]
                self._send(client, kind, kinds[kind][1])

    def _send(self, client: httpx.Client, kind: str, send: Callable[[httpx.Client], httpx.Response | None]) -> None:
        try:
            answer = send(client)
        except httpx.HTTPError as error:
            with self._totals.lock:
                self._totals.faults.append(f"{kind}: {error!r}")
            return
        if answer is None:
            with self._totals.lock:
                self._totals.kinds[kind] += 1
            return
        self._totals.note(kind, answer)
        if answer.status_code == BUSY:
            time.sleep(min(float(answer.headers["Retry-After"]), 1.0) * self._random.random())

    def _post(
        self, client: httpx.Client, content: bytes, headers: dict[str, str] | None = None, weeks: str = "26"
    ) -> httpx.Response:
        files = {"volume": ("x.nii.gz", content)}
        return client.post("/segment", files=files, data={"gestational_age_weeks": weeks}, headers=headers)

    def _post_async(self, client: httpx.Client) -> httpx.Response:
        answer = self._post(client, self._good(), {"Prefer": "respond-async"})
        if answer.status_code != httpx.codes.ACCEPTED:
            return answer
        place = answer.headers["location"]
        while (found := client.get(place)).is_success and found.json()["status"] in {"queued", "running"}:
            time.sleep(0.2)
        with self._totals.lock:
            if found.is_success and found.json()["status"] == "completed":
                self._totals.completed.add(place.rpartition("/")[2])
            else:
                self._totals.faults.append(f"async: {found.status_code} {found.text[:300]}")
        return answer

    def _hang_up(self, _: httpx.Client) -> None:
        """Announce a whole volume, send half of it, be gone; or send all of it and not wait."""
        place, volume = urlsplit(self._url), self._good()
        body = b'--b\r\nContent-Disposition: form-data; name="volume"; filename="x"\r\n\r\n' + volume + b"\r\n--b--\r\n"
        head = (
            f"POST /segment HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(body)}\r\n"
            "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        ).encode()
        share = self._random.choice((0.3, 0.6, 1.0))
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=60) as connection:
            connection.sendall(head + body[: int(len(body) * share)])

    def _good(self) -> bytes:
        return self._random.choice(self._volumes)

    def _truncated(self) -> bytes:
        content = self._good()
        return content[: self._random.randrange(len(content))]

    def _flipped(self) -> bytes:
        content = bytearray(self._good())
        for _ in range(self._random.randrange(1, 6)):
            content[self._random.randrange(400)] = self._random.randrange(256)
        return bytes(content)


def run_load(url: str, seconds: float, clients: int) -> Totals:
    """Return what so many clients saw in so many seconds."""
    totals, until = Totals(), time.monotonic() + seconds
    threads = [Client(url, seed, until, totals) for seed in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return totals
