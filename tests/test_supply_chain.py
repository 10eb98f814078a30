"""The bill of materials and the audit of dependencies."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.helpers.repository import ROOT

PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)


@pytest.mark.slow
def test_the_bill_of_materials_is_valid_and_names_every_installed_package(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "cyclonedx_py",
        "environment",
        "--pyproject",
        ROOT / "pyproject.toml",
    ]
    options: list[str | Path] = ["--sv", "1.6", "--validate", "--output-file", file, sys.executable]
    subprocess.run([*command, *options], check=True, capture_output=True)
    bill: dict[str, Any] = json.loads(file.read_text())
    assert bill["bomFormat"] == "CycloneDX"
    assert bill["metadata"]["component"]["name"] == "fetalhead"
    named = {re.sub(r"[-_.]+", "-", part["name"]).lower(): part["version"] for part in bill["components"]}
    for name in ("fastapi", "numpy", "onnxruntime", "openvino", "sqlalchemy"):
        assert named[name] == PINS[name]


def test_it_names_what_the_page_is_made_of(tmp_path: Path) -> None:
    file = tmp_path / "sbom.json"
    component = {"type": "library", "name": "numpy", "version": PINS["numpy"], "bom-ref": "numpy"}
    file.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [component]}))
    subprocess.run([sys.executable, ROOT / "scripts/sbom-page", file], check=True, capture_output=True)
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()) is None
    bill = json.loads(file.read_text())
    named = {part["name"]: part for part in bill["components"]}
    wanted = json.loads((ROOT / "app/viewer/source/package.json").read_text())
    for name, version in wanted["dependencies"].items():
        assert named[name]["version"] == version
        assert re.fullmatch(r"[0-9a-f]{128}", named[name]["hashes"][0]["content"])
    assert "gl-matrix" in named
    assert named["@niivue/niivue"]["purl"].startswith("pkg:npm/%40niivue/niivue@")
    assert not set(wanted["devDependencies"]) & set(named)
    assert "numpy" in named


class TestAudit:
    def test_a_pin_with_a_known_weakness_is_named(self, tmp_path: Path) -> None:
        events = [{"introduced": "0"}, {"fixed": "99"}]
        advise(tmp_path, "A-1", "Fast_API", {"ranges": [{"type": "ECOSYSTEM", "events": events}]})
        advise(tmp_path, "A-2", "numpy", {"versions": [PINS["numpy"]]})
        code, printed = audit(tmp_path)
        assert code == 1
        assert f"numpy {PINS['numpy']}  A-2  bad" in printed
        assert "A-1" not in printed  # fast-api is another package than fastapi

    @pytest.mark.parametrize(
        ("events", "findings"),
        [
            ([{"introduced": "0"}], 1),
            ([{"introduced": "0"}, {"fixed": "0.1"}], 0),
            ([{"introduced": "0"}, {"last_affected": "99.1"}], 1),
            ([{"introduced": "99"}], 0),
        ],
    )
    def test_ranges(self, tmp_path: Path, events: list[dict[str, str]], findings: int) -> None:
        advise(tmp_path, "A-1", "fastapi", {"ranges": [{"type": "ECOSYSTEM", "events": events}]})
        assert audit(tmp_path) == (bool(findings), audit(tmp_path)[1])
        assert f"{findings} findings" in audit(tmp_path)[1]

    def test_without_advisories_it_says_what_it_needs(self, tmp_path: Path) -> None:
        code, printed = audit(tmp_path)
        assert code == 2
        assert "ADVISORIES=FOLDER" in printed


def advise(folder: Path, name: str, package: str, affected: dict[str, Any]) -> None:
    content = {"package": {"ecosystem": "PyPI", "name": package}, **affected}
    (folder / f"{name}.json").write_text(json.dumps({"id": name, "summary": "bad", "affected": [content]}))


def audit(folder: Path) -> tuple[int, str]:
    command: list[str | Path] = [sys.executable, ROOT / "scripts/audit-dependencies", folder]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    return result.returncode, result.stdout + result.stderr
