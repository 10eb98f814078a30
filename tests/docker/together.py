"""The stack of docker-compose.yml as processes of an enclosure, on the configuration files that the containers mount.

Run by `tests.docker.enclosure` as root; prints what it saw as JSON. Users, environment, arguments, secrets and mounts
are those of docker-compose.yml and the Dockerfile; the programs are Debian's, and Grafana is none of them.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import yaml

from app.imaging.nifti.file import encode_volume
from tests.docker.names import serve_names
from tests.helpers.repository import ROOT
from tests.helpers.system_packages import require
from training.phantom import SimulationRequest, simulate

STACK: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "docker/grafana/dashboards/fetalhead.json").read_text(encoding="utf-8"))
SECRETS = Path("/prepared")
USERS = {"service-cpu": 10001, "database": 999, "proxy": 101, "prometheus": 65534, "alertmanager": 65534}
"""Whom the images run their programs as."""
SPACING_MM = 1.3
DEADLINE_S = 300.0
ALERT = "FetalheadDatabaseUnavailable"
OUTSIDE = "https://localhost:8443"


@dataclass
class Stack:
    """The programs that run."""

    programs: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        """Start a service's program as its user, without capabilities."""
        log = Path("/logs", name)
        log.parent.mkdir(exist_ok=True)
        user = str(USERS[name])
        limits = ["--clear-groups", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        become = [require("setpriv", package="util-linux"), f"--reuid={user}", f"--regid={user}", *limits]
        known = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(environment or {})}
        with log.open("ab") as output:
            os.fchown(output.fileno(), USERS[name], USERS[name])  # /dev/stderr is opened anew
            self.programs[name] = subprocess.Popen(
                [*become, *command], env=known, cwd="/tmp", stdout=output, stderr=output
            )

    def stop(self, name: str) -> None:
        """End a program at once, as a fault would."""
        self.programs[name].kill()
        self.programs.pop(name).wait()

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """The first true value of a condition; what the programs printed where it takes too long or one has ended."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                if found := condition():
                    return found
            except httpx.TransportError:
                pass
            ended = [name for name, program in self.programs.items() if program.poll() is not None]
            if ended or time.monotonic() > deadline:
                tails = "\n".join(f"== {log.name}\n{log.read_text()[-2000:]}" for log in Path("/logs").iterdir())
                raise RuntimeError(f"{what}: ended {ended}, or took too long\n{tails}")
            time.sleep(0.25)


def main() -> None:
    """Bring all of it up, use it, take the database away and give it back."""
    serve_names({*SERVICES, "service", "localhost"})
    _prepare()
    stack = Stack()
    environment = _service_environment()
    start_database(stack)
    key = _first_key(environment)
    stack.start("service-cpu", [_beside_python("fetalhead"), "serve"], environment)
    stack.start("proxy", [require("nginx", package="nginx-light"), "-g", "daemon off;"])
    for name, program in (("prometheus", "prometheus"), ("alertmanager", "prometheus-alertmanager")):
        stack.start(name, [require(program, package=program), *SERVICES[name]["command"]])
    with httpx.Client(base_url=OUTSIDE, verify=_trusting(), timeout=60) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        stack.until("the service", lambda: client.get("/health/ready").is_success)
        print(json.dumps(_exercise(stack, client)))
    for name in list(stack.programs):
        stack.programs[name].terminate()
    for running in stack.programs.values():
        running.wait(60)


def _exercise(stack: Stack, client: httpx.Client) -> dict[str, Any]:
    phantom = simulate(SimulationRequest(seed=2_000_005, spacing=SPACING_MM))
    file = {"volume": encode_volume(phantom.volume)}
    stack.until("the first scrape", lambda: query('fetalhead_requests_total{job="fetalhead"}'))
    measured = client.post("/segment", files=file, data={"gestational_age_weeks": "26"})
    seen: dict[str, Any] = {
        "true_volume_ml": phantom.record.true_volume_ml,
        "report": measured.json(),
        "headers": dict(measured.headers),
        "without_key": httpx.post(f"{OUTSIDE}/segment", verify=_trusting(), files=file).status_code,
        "metrics_outside": client.get("/metrics").status_code,
        "without_tls": httpx.get(OUTSIDE.replace("https", "http")).status_code,
        "scraped": stack.until("the count", lambda: query('fetalhead_segmentations_total{job="fetalhead"} > 0')),
    }
    stack.stop("database")
    seen["without_database"] = client.post("/segment", files=file).json()["code"]
    seen["alert"] = stack.until("the alert", arrived_alert)
    seen["dashboard"] = {expression: len(query(expression)) for expression in dashboard_queries()}
    start_database(stack)
    stack.until("the database again", lambda: client.post("/segment", files=file).is_success)
    seen["listed"] = [item["id"] for item in client.get("/volume").json()["items"]]
    seen["mask"] = client.get(seen["report"]["mask"]).status_code
    return seen


def query(expression: str) -> list[dict[str, Any]]:
    """What Prometheus answers."""
    answer = httpx.get("http://127.0.0.1:9090/api/v1/query", params={"query": expression}).json()
    if answer["status"] != "success":
        raise RuntimeError(f"{expression}: {answer}")
    found: list[dict[str, Any]] = answer["data"]["result"]
    return found


def arrived_alert() -> dict[str, Any] | None:
    """The alert as Alertmanager has it."""
    alerts: list[dict[str, Any]] = httpx.get("http://127.0.0.1:9093/api/v2/alerts").json()
    return next((alert for alert in alerts if alert["labels"]["alertname"] == ALERT), None)


def dashboard_queries() -> list[str]:
    """Every query of Grafana's dashboard, with an interval as it would put in."""
    targets = [target for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    return [target["expr"].replace("$__rate_interval", "2m") for target in targets]


def start_database(stack: Stack) -> None:
    """As the image's entry point does: a cluster with the user, the password and the arguments of the environment."""
    wanted: dict[str, str] = SERVICES["database"]["environment"]
    folder, user = Path("/var/lib/postgresql/data"), USERS["database"]
    tools = Path(require("initdb", package="postgresql")).resolve().parent
    if not (folder / "PG_VERSION").exists():
        Path("/var/run/postgresql").mkdir(parents=True, exist_ok=True)
        for place in (folder, Path("/var/run/postgresql")):
            shutil.chown(place, user, user)
        options = [f"--username={wanted['POSTGRES_USER']}", f"--pwfile={wanted['POSTGRES_PASSWORD_FILE']}", "--no-sync"]
        initdb = [str(tools / "initdb"), "-D", str(folder), *options, *wanted["POSTGRES_INITDB_ARGS"].split()]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL, user=user, group=user, cwd="/tmp")
        with (folder / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
    stack.start("database", [str(tools / "postgres"), "-D", str(folder), "-c", "listen_addresses=*"])
    check = SERVICES["database"]["healthcheck"]["test"][1:]
    ready = [str(tools / check[0]), *check[1:], "--host=database"]
    stack.until("the database", lambda: subprocess.run(ready, check=False, capture_output=True).returncode == 0)
    password = Path(wanted["POSTGRES_PASSWORD_FILE"]).read_text().strip()
    create = [str(tools / "createdb"), "--host=database", f"--username={wanted['POSTGRES_USER']}"]
    subprocess.run(
        [*create, wanted["POSTGRES_DB"]], env={"PGPASSWORD": password}, check=False, capture_output=True, cwd="/tmp"
    )


def _prepare() -> None:
    """The secrets of docker/prepare, and everything that the services mount, where they mount it."""
    for name, number in USERS.items():
        for file, line in (("passwd", f"{name}:x:{number}:{number}::/tmp:/bin/sh"), ("group", f"{name}:x:{number}:")):
            with Path("/etc", file).open("a") as users:
                users.write(f"{line}\n")
    subprocess.run([ROOT / "docker/prepare", SECRETS], check=True, capture_output=True)
    for name, secret in STACK["secrets"].items():
        _mount(SECRETS / Path(secret["file"]).name, Path("/run/secrets", name))
    for service, user in USERS.items():
        for volume in SERVICES[service].get("volumes", []):
            source, target, *_ = volume.split(":")
            if source.startswith("./docker/secrets/"):
                _mount(SECRETS / source.removeprefix("./docker/secrets/"), Path(target))
            elif source.startswith("."):
                _mount(ROOT / source, Path(target))
            else:
                Path(target).mkdir(parents=True, exist_ok=True)
                shutil.chown(target, user, user)


def _mount(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.touch()
    subprocess.run(["mount", "--bind", source, target], check=True)


def _service_environment() -> dict[str, str]:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    image = dict(re.findall(r"\b(FETALHEAD_\w+)=(\S+)", text))
    return {**image, **SERVICES["service-cpu"]["environment"]}


def _first_key(environment: Mapping[str, str]) -> str:
    command = [_beside_python("fetalhead"), "keys", "add", "it-department", "--role", "admin"]
    user = USERS["service-cpu"]
    known = {"PATH": os.environ["PATH"], **environment}
    result = subprocess.run(
        command, env=known, user=user, group=user, cwd="/tmp", check=False, capture_output=True, text=True
    )
    if result.returncode:
        raise RuntimeError(result.stderr)
    return result.stdout.strip()


def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(SECRETS / "tls.crt"))


def _beside_python(program: str) -> str:
    return str(Path(sys.executable).parent / program)


if __name__ == "__main__":
    main()
