"""Killed again and again while it measures: what was answered is there, whole, after each start."""

import csv
import io
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from tests.helpers.makers import NiftiOptions, publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import post
from tests.helpers.service_process import SERVE, ServiceProcess
from tests.soak.size import soak_size

pytestmark = pytest.mark.slow

SPHERE = volume_bytes(sphere_volume(), NiftiOptions(compress=True))
CLIENTS = 3


def test_nothing_that_was_answered_is_lost(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "models")
    chance, answered, requests = random.Random(7), set[str](), 0
    service = ServiceProcess(tmp_path)
    kills = soak_size().kills
    for _ in range(kills):
        service.start()
        senders = [Sender(service.url) for _ in range(CLIENTS)]
        for sender in senders:
            sender.start()
        service.until(lambda senders=senders: any(sender.answered for sender in senders))  # type: ignore[misc]
        time.sleep(chance.uniform(0.0, 0.6))
        service.kill()
        for sender in senders:
            sender.join()
            answered |= sender.answered
            requests += sender.sent
    with service, service.client() as client:
        rows = csv.DictReader(io.StringIO(client.get("/volume", headers={"Accept": "text/csv"}).text))
        listed = {row["id"] for row in rows}
        without_mask = [name for name in listed if client.get(f"/segmentations/{name}/mask").status_code != 200]
        assert post(client, SPHERE).status_code == 200
        service.terminate()
    trail = subprocess.run(
        [sys.executable, "-c", SERVE.replace("['serve']", "['audit', 'verify']")],
        env=service.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    print(
        f"\n{kills} kills, {requests} requests, {len(answered)} answered, {len(answered - listed)} lost, "
        f"{len(without_mask)} without mask; {trail.stdout.strip()}"
    )
    assert answered
    assert answered - listed == set()
    assert without_mask == []
    assert trail.returncode == 0, trail.stderr
    assert list((tmp_path / "data").rglob("*.partial")) == []


class Sender(threading.Thread):
    """Sends one volume after another until the service is gone."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.answered: set[str] = set()
        self.sent = 0
        self._url = url

    def run(self) -> None:
        with httpx.Client(base_url=self._url, timeout=120) as client:
            while True:
                self.sent += 1
                try:
                    answer = post(client, SPHERE)
                except httpx.HTTPError:
                    return
                if answer.status_code == httpx.codes.OK:
                    self.answered.add(answer.json()["id"])
