"""What holds for the repository as a whole."""

import importlib
import importlib.util
import pkgutil
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from app.monitoring.metrics import Metrics
from app.settings import Settings, environment_name
from tests.helpers.repository import ROOT

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
PINS = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
RUNTIMES = {"onnxruntime", "onnxruntime-gpu", "openvino"}

IMPORT_WITHOUT = """
import importlib, sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[1].split(","):
            raise ModuleNotFoundError(name, name=name)

sys.meta_path.insert(0, Missing())
for name in sys.argv[2:]:
    importlib.import_module(name)
"""


def test_the_import_contracts_hold() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    result = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_service_imports_without_torch_and_without_a_runtime() -> None:
    missing = ["matplotlib", "torch", "onnx", "onnxruntime", "openvino", "tensorboard", "training"]
    imports_without(missing, list(modules("app")))


def test_the_service_imports_without_what_draws_reports() -> None:
    imports_without(["reportlab"], ["app.main", "app.cli.commands", "app.cli.batch", "app.client"])


def test_the_command_to_measure_starts_without_what_measures() -> None:
    heavy = ["nibabel", "numpy", "PIL", "rich", "scipy", "httpx", "sqlalchemy", "starlette"]
    imports_without(heavy, ["app.cli.commands", "app.cli.segment", "app.batch.run"])


def test_simulated_patients_and_the_demonstration_import_without_torch() -> None:
    names = ["training.cli.main", "training.cli.demo", *modules("training.phantom")]
    imports_without(["torch", "onnx", "onnxruntime", "openvino", "tensorboard"], names)


def test_the_base_brings_neither_torch_nor_a_runtime() -> None:
    assert not requirement_names(PROJECT["dependencies"]) & (RUNTIMES | {"torch", "onnx"})


def test_each_runtime_has_an_extra_of_its_own() -> None:
    extras = PROJECT["optional-dependencies"]
    with_runtime = {extra: requirement_names(wanted) & RUNTIMES for extra, wanted in extras.items()}
    assert {extra: found for extra, found in with_runtime.items() if found} == {
        "cpu": {"onnxruntime", "openvino"},
        "gpu": {"onnxruntime-gpu"},
    }


def test_every_requirement_is_pinned() -> None:
    pinned = {pin.partition("==")[0] for pin in PINS}
    wanted = requirement_names(PROJECT["dependencies"])
    for requirements in PROJECT["optional-dependencies"].values():
        wanted |= requirement_names(requirements)
    assert sorted(wanted - pinned) == []


def test_pins_are_exact_versions_and_name_no_index_host_path_or_build() -> None:
    exact = re.compile(r"[a-z0-9][a-z0-9.-]*==[0-9][0-9a-z.]*")
    assert [pin for pin in PINS if not pin.startswith("#") and not exact.fullmatch(pin)] == []


def test_the_build_backend_is_pinned() -> None:
    assert all("==" in requirement for requirement in PYPROJECT["build-system"]["requires"])


def test_the_newest_changelog_section_is_the_version() -> None:
    versions = re.findall(r"^## \[(.+?)\]", read("CHANGELOG.md"), re.MULTILINE)
    released = [version for version in versions if version != "Unreleased"]
    assert released[0] == PROJECT["version"]


@pytest.mark.slow
def test_the_citation_names_the_version_and_keeps_to_its_schema() -> None:
    assert yaml.safe_load(read("CITATION.cff"))["version"] == PROJECT["version"]
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format"]
    result = subprocess.run([*command, ROOT / "CITATION.cff"], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_readme_and_the_newest_changes_stay_short() -> None:
    newest = read("CHANGELOG.md").split("\n## [")[2]
    assert len(read("README.md").split()) <= 700
    assert len(newest.split()) <= 900


def test_the_stack_runs_this_version() -> None:
    assert set(re.findall(r"fetalhead:([0-9.]+)-", read("docker-compose.yml"))) == {PROJECT["version"]}


def test_every_make_target_that_is_documented_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named: set[str] = set()
    for document in ["README.md", "CONTRIBUTING.md", *(str(p) for p in documents())]:
        named |= set(re.findall(r"^make ([a-z-]+)", code(document), re.MULTILINE))
    assert named, "no document names a make target"
    assert sorted(named - targets) == []


def test_the_make_targets_of_the_contract_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    assert {"demo", "serve", "test", "check", "bench", "image"} <= targets


@pytest.mark.parametrize(
    ("program", "module"), [("fetalhead", "app.cli.main"), ("fetalhead-train", "training.cli.main")]
)
def test_every_documented_command_exists(program: str, module: str) -> None:
    named: set[str] = set()
    for text in [code("README.md"), code("CONTRIBUTING.md"), read("Makefile")]:
        named |= set(re.findall(rf"(?:^|/bin/|\(BIN\)/){program} ([a-z-]+)", text, re.MULTILINE))
    assert named, f"no document names a command of {program}"
    for command in sorted(named):
        with pytest.raises(SystemExit) as stopped:
            importlib.import_module(module).main([command, "--help"])
        assert stopped.value.code == 0, f"{program} {command} --help"


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for document in ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", *(str(p) for p in documents())]:
        for target in re.findall(r"\]\(([^)#:]+)\)", read(document)):
            if not (ROOT / document).parent.joinpath(target).exists():
                broken.append(f"{document}: {target}")
    assert broken == []


def test_decision_records_are_numbered_without_gaps() -> None:
    numbers = [int(path.name[:4]) for path in sorted((ROOT / "docs" / "adr").glob("*.md"))]
    assert numbers == list(range(1, len(numbers) + 1))


def test_alerts_use_metrics_that_exist() -> None:
    names = set(Metrics().names())
    used = set(re.findall(r"\bfetalhead_[a-z_]+", read("docker/prometheus/alerts.yml")))
    histograms = {re.sub(r"_(bucket|count|sum)$", "", name) for name in used}
    assert sorted(histograms - names) == []


@pytest.mark.parametrize("document", ["Dockerfile", "docker-compose.yml", "Makefile", "README.md", "SECURITY.md"])
def test_settings_that_are_named_exist(document: str) -> None:
    exist = {environment_name(field) for field in Settings.model_fields}
    assert sorted(set(re.findall(r"FETALHEAD_[A-Z_]+", read(document))) - exist) == []


def test_every_package_is_marked_as_typed() -> None:
    packages = ("app", "fetalhead", "model_store", "training")
    assert [name for name in packages if not (ROOT / name / "py.typed").exists()] == []


def test_every_folder_of_tests_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert sorted(str(folder) for folder in folders if not (folder / "__init__.py").exists()) == []


def test_what_tests_share_lies_in_no_module_of_tests() -> None:
    shared = re.compile(r"^\s*(?:from|import) tests\.(?:\w+\.)*test_\w+", re.MULTILINE)
    paths = sorted((ROOT / "tests").rglob("*.py"))
    assert [str(path.relative_to(ROOT)) for path in paths if shared.search(path.read_text(encoding="utf-8"))] == []


def imports_without(missing: list[str], names: list[str]) -> None:
    command = [sys.executable, "-c", IMPORT_WITHOUT, ",".join(missing), *names]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def modules(package: str) -> Iterator[str]:
    """The package and all its modules; migration scripts apart, which only alembic runs."""
    spec = importlib.util.find_spec(package)
    assert spec is not None
    yield package
    for found in pkgutil.walk_packages(spec.submodule_search_locations, f"{package}."):
        if ".migrations" not in found.name:
            yield found.name


def requirement_names(requirements: list[str]) -> set[str]:
    return {match.group().lower() for text in requirements if (match := NAME.match(text))}


def code(document: str) -> str:
    """The blocks and spans of code in a document, one to a line."""
    text = read(document)
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])


def documents() -> list[Path]:
    return sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))


def read(file: str) -> str:
    return (ROOT / file).read_text(encoding="utf-8")
