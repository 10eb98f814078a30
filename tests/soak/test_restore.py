"""Backup and restore as docs/operations.md tells it, by the commands: taken while measurements come in."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.makers import publish_threshold_model, sphere_volume, volume_bytes
from tests.helpers.service import post
from tests.helpers.service_process import SERVE, ServiceProcess

pytestmark = pytest.mark.slow

SPHERE = volume_bytes(sphere_volume())


def test_a_backup_of_a_running_service_restores_every_measurement(tmp_path: Path) -> None:
    old, new, backup = tmp_path / "old", tmp_path / "new", str(tmp_path / "backup")
    for folder in (old, new):
        publish_threshold_model(folder / "models")
    with ServiceProcess(old) as service, service.client() as client:
        before = [post(client, SPHERE).json() for _ in range(3)]
        pending = post(client, SPHERE, {"Prefer": "respond-async"})
        assert pending.status_code == 202
        made = json.loads(done(service, "records", "backup", backup, "--json").stdout)
        assert made["segmentations"] >= len(before)
        refused = done(service, "records", "restore", backup, "--force")
        assert refused.returncode == 2
        assert "in use by another service" in refused.stderr
    restored = ServiceProcess(new)
    assert "intact" in done(restored, "records", "restore", backup, "--check").stdout
    assert done(restored, "records", "restore", backup, "--tip", made["audit_tip"]).returncode == 0
    again = done(restored, "records", "restore", backup)
    assert again.returncode == 2
    assert "--force" in again.stderr
    with restored, restored.client() as client:
        for report in before:
            assert client.get(f"/segmentations/{report['id']}").json() == report
            assert client.get(report["mask"]).status_code == 200
        assert post(client, SPHERE).status_code == 200
        restored.terminate()
    trail = done(restored, "audit", "verify", "--tip", made["audit_tip"])
    assert trail.returncode == 0, trail.stderr


def test_a_damaged_backup_is_refused(tmp_path: Path) -> None:
    publish_threshold_model(tmp_path / "old/models")
    with ServiceProcess(tmp_path / "old") as service:
        assert done(service, "records", "backup", str(tmp_path / "backup")).returncode == 0
    (tmp_path / "backup/records.sqlite").write_bytes(b"something else")
    refused = done(service, "records", "restore", str(tmp_path / "backup"), "--force")
    assert refused.returncode == 1
    assert "records.sqlite is missing or was altered" in refused.stderr


def done(service: ServiceProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of `fetalhead` with the service's settings."""
    command = [sys.executable, "-c", SERVE.replace("['serve']", repr(list(arguments)))]
    return subprocess.run(
        command, env=service.environment, cwd=service.folder, capture_output=True, text=True, check=False
    )
