"""docker-compose.yml and what it mounts: valid, pinned, closed, and nothing missing."""

import os
import re
import shutil
import stat
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

from app.settings import Settings, environment_name
from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require

DEFAULT = re.compile(r"\$\{([A-Z_]+):-([^}]*)\}")
TEXT = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
STACK: dict[str, Any] = yaml.safe_load(DEFAULT.sub(r"\2", TEXT))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
OURS = ("service-gpu", "service-cpu")
PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+(\.\d+)?(-[a-z0-9.]+)*")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("openssl", package="openssl")
    folder = tmp_path_factory.mktemp("docker") / "secrets"
    subprocess.run([ROOT / "docker/prepare", folder], check=True, capture_output=True)
    return folder


@pytest.mark.slow
def test_it_follows_the_compose_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run([*command, ROOT / "docker-compose.yml"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("name", SERVICES)
class TestEachService:
    def test_its_image_is_pinned(self, name: str) -> None:
        assert PINNED.fullmatch(SERVICES[name]["image"])

    def test_it_is_bounded_and_hardened(self, name: str) -> None:
        service = SERVICES[name]
        assert service["mem_limit"]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in service["security_opt"]
        assert "privileged" not in service

    def test_it_mounts_what_exists(self, name: str, prepared: Path) -> None:
        for source, *_ in (volume.split(":") for volume in SERVICES[name].get("volumes", [])):
            if source.startswith("./docker/secrets/"):
                assert (prepared / source.removeprefix("./docker/secrets/")).exists()
            elif source.startswith("."):
                assert (ROOT / source).exists(), source
            else:
                assert source in STACK["volumes"]

    def test_its_networks_and_secrets_are_declared(self, name: str) -> None:
        assert set(SERVICES[name]["networks"]) <= set(STACK["networks"])
        assert set(SERVICES[name].get("secrets", [])) <= set(STACK["secrets"])

    def test_it_holds_no_password(self, name: str) -> None:
        for variable, value in SERVICES[name].get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|TOKEN|KEY", variable):
                assert str(value).startswith("/run/"), variable


@pytest.mark.parametrize("file", ["docker-compose.yml", "Dockerfile", "docker/training.Dockerfile", "docker/build"])
def test_the_bases_of_our_images_are_pinned(file: str) -> None:
    bases = re.findall(r"\bBASE[=:] ?\"?([^\s\"})]+)", (ROOT / file).read_text(encoding="utf-8"))
    assert bases
    assert [base for base in bases if not PINNED.fullmatch(base)] == []


@pytest.mark.parametrize("name", OURS)
def test_the_settings_of_the_service_can_be_used(name: str) -> None:
    known = {environment_name(field) for field in Settings.model_fields}
    assert set(SERVICES[name]["environment"]) <= known


def test_what_can_be_set_is_listed_with_its_default() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert dict(DEFAULT.findall(TEXT)).items() <= dict(re.findall(r"^#([A-Z_]+)=(\S+)$", example, re.MULTILINE)).items()


@pytest.mark.parametrize("name", OURS)
def test_make_builds_the_image_that_it_runs(name: str) -> None:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("IMAGE", "MAKE"))}
    command = ["make", "--dry-run", "image", f"RUNTIME={name.removeprefix('service-')}"]
    plan = subprocess.run(command, cwd=ROOT, env=inherited, capture_output=True, text=True, check=True).stdout
    if (ROOT / ".env").exists():
        pytest.skip("the images of this checkout have names of their own")
    assert f"docker/build {SERVICES[name]['image']} " in plan


def test_a_model_store_can_be_mounted_in_place_of_the_images() -> None:
    added = yaml.safe_load((ROOT / "docker/model-store.yml").read_text(encoding="utf-8"))["services"]
    assert set(added) == set(OURS)
    for service in added.values():
        (mounted,) = service["volumes"]
        assert mounted.endswith(f":{service['environment']['FETALHEAD_MODEL_STORE']}:ro")


class TestUnit:
    UNIT: ClassVar = ConfigParser(strict=False, interpolation=None, delimiters=["="])

    @pytest.fixture(autouse=True)
    def read(self) -> None:
        self.UNIT.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation does
        self.UNIT.read(ROOT / "docker/systemd/fetalhead.service")

    def test_its_settings_exist(self) -> None:
        known = {environment_name(field) for field in Settings.model_fields}
        words = (word.partition("=")[0] for word in self.UNIT["Service"]["Environment"].split())
        assert {word for word in words if word.startswith("FETALHEAD_")} <= known

    def test_it_waits_for_work_to_be_finished(self) -> None:
        assert float(self.UNIT["Service"]["TimeoutStopSec"]) > Settings().shutdown_timeout_s

    def test_systemd_takes_it(self, tmp_path: Path) -> None:
        analyze = shutil.which("systemd-analyze")
        if analyze is None:
            pytest.skip("needs a system with systemd")
        text = (ROOT / "docker/systemd/fetalhead.service").read_text(encoding="utf-8")
        (tmp_path / "fetalhead.service").write_text(text.replace("/opt/fetalhead/bin/fetalhead", sys.executable))
        result = subprocess.run(
            [analyze, "verify", "--man=no", tmp_path / "fetalhead.service"], capture_output=True, text=True, check=False
        )
        assert "fetalhead.service" not in result.stderr, result.stderr


def test_the_gpu_is_reserved_and_never_silently_replaced() -> None:
    (device,) = SERVICES["service-gpu"]["deploy"]["resources"]["reservations"]["devices"]
    assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert SERVICES["service-gpu"]["environment"]["FETALHEAD_PROVIDER"] == "cuda"


def test_the_profiles_differ_in_nothing_but_the_runtime() -> None:
    gpu, cpu = (
        {key: value for key, value in SERVICES[name].items() if key not in {"profiles", "image", "build", "deploy"}}
        for name in OURS
    )
    del gpu["environment"]
    del cpu["environment"]
    assert gpu == cpu


def test_only_the_proxy_is_published_and_the_service_reaches_nobody() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["proxy"]
    assert STACK["networks"]["inside"]["internal"] is True
    for name in (*OURS, "database"):
        assert list(SERVICES[name]["networks"]) == ["inside"]


class TestSecrets:
    def test_each_is_made(self, prepared: Path) -> None:
        for secret in STACK["secrets"].values():
            assert (prepared / Path(secret["file"]).name).read_bytes()

    def test_they_are_random_and_closed_to_other_users(self, prepared: Path, tmp_path: Path) -> None:
        subprocess.run([ROOT / "docker/prepare", tmp_path / "again"], check=True, capture_output=True)
        for name in ("database_password", "grafana_password"):
            assert len((prepared / name).read_text()) >= 30
            assert (prepared / name).read_text() != (tmp_path / "again" / name).read_text()
        assert stat.S_IMODE(prepared.stat().st_mode) == 0o700

    def test_what_is_there_stays(self, prepared: Path) -> None:
        before = {path.name: path.read_bytes() for path in prepared.iterdir() if path.is_file()}
        subprocess.run([ROOT / "docker/prepare", prepared], check=True, capture_output=True)
        assert {path.name: path.read_bytes() for path in prepared.iterdir() if path.is_file()} == before

    def test_git_ignores_them(self) -> None:
        git = shutil.which("git")
        if git is None or not (ROOT / ".git").exists():
            pytest.skip("needs a git checkout")
        command = [git, "check-ignore", "--quiet", "docker/secrets/database_password"]
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
