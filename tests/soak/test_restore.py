"""Backup and restore as docs/operations.md tells it, with SQLite: taken while measurements come in."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from tests.app.api.service import post
from tests.makers import publish_threshold_model, sphere_volume, volume_bytes
from tests.service_process import SERVE, ServiceProcess

SPHERE = volume_bytes(sphere_volume())


def test_a_backup_of_a_running_service_restores_every_measurement(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "old/models")
    with ServiceProcess(tmp_path / "old") as service, service.client() as client:
        before = [post(client, SPHERE).json() for _ in range(3)]
        pending = post(client, SPHERE, {"Prefer": "respond-async"})
        back_up(tmp_path / "old/data", tmp_path / "backup")
        assert pending.status_code == 202
    (tmp_path / "new").mkdir()
    shutil.copytree(tmp_path / "backup", tmp_path / "new/data")
    publish_threshold_model(tmp_path / "new/models")
    with ServiceProcess(tmp_path / "new") as restored, restored.client() as client:
        for report in before:
            assert client.get(f"/segmentations/{report['id']}").json() == report
            assert client.get(report["mask"]).status_code == 200
        assert post(client, SPHERE).status_code == 200
        restored.terminate()
    command = [sys.executable, "-c", SERVE.replace("['serve']", "['audit', 'verify']")]
    trail = subprocess.run(command, env=restored.environment, capture_output=True, text=True, check=False)
    assert trail.returncode == 0, trail.stderr


def back_up(data: Path, backup: Path) -> None:
    """The database by SQLite's own backup, then the files beside it."""
    backup.mkdir()
    source, target = sqlite3.connect(data / "fetalhead.sqlite"), sqlite3.connect(backup / "fetalhead.sqlite")
    with closing(source), closing(target):
        source.backup(target)
    for path in data.iterdir():
        if path.is_dir():
            shutil.copytree(path, backup / path.name)
        elif not path.name.startswith("fetalhead.sqlite"):
            shutil.copy2(path, backup / path.name)
