"""Model files are data: they are loaded from the bytes that were hashed, and nothing in them is executed."""

import ast
import hashlib
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.inference.errors import DamagedModel
from app.inference.model_store import ModelStore
from app.inference.runtime.session import OnnxSession, RuntimeSettings
from app.inference.segmenter import HeadSegmenter
from tests.helpers.makers import publish_threshold_model, threshold_network
from tests.helpers.repository import ROOT

APP = ROOT / "app"
EXECUTING_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "torch", "yaml"}
EXECUTING_CALLS = {"eval", "exec", "compile", "__import__"}
SETTINGS = RuntimeSettings("cpu", 1)


def syntax_trees() -> Iterator[tuple[str, ast.AST]]:
    for path in sorted(APP.rglob("*.py")):
        yield str(path.relative_to(APP)), ast.parse(path.read_text("utf-8"))


def test_the_service_imports_nothing_that_executes_what_it_loads() -> None:
    found = set()
    for name, tree in syntax_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                found |= {(name, alias.name.split(".")[0]) for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((name, (node.module or "").split(".")[0]))
    assert len(found) > 100
    assert [item for item in sorted(found) if item[1] in EXECUTING_MODULES] == []


def test_the_service_evaluates_no_text_and_loads_no_pickled_array() -> None:
    evaluated, loaded = [], []
    for name, tree in syntax_trees():
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in EXECUTING_CALLS:
                evaluated.append((name, call.func.id))
            if ast.unparse(call.func) in ("np.load", "numpy.load"):
                pickled = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
                loaded.append((name, pickled.get("allow_pickle")))
    assert evaluated == []
    assert loaded, "no np.load was found at all"
    assert {allowed for _, allowed in loaded} == {"False"}


class Trap:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def test_a_test_vector_with_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    folder = publish_threshold_model(tmp_path / "models")
    mark = tmp_path / "mark"
    trap = np.array([Trap(mark)], dtype=object)
    np.savez(folder / "selftest.npz", volume=trap, probability=trap, allow_pickle=True)
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists(), "the trap does not work"
    mark.unlink()
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["selftest"]["sha256"] = hashlib.sha256((folder / "selftest.npz").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    segmenter = HeadSegmenter(ModelStore(tmp_path / "models").resolve("fetal_head"), SETTINGS)
    with pytest.raises(DamagedModel, match="test vector"):
        segmenter.selftest()
    assert not mark.exists()


def test_a_file_that_is_exchanged_after_it_was_hashed_is_not_what_runs(tmp_path: Path) -> None:
    folder = publish_threshold_model(tmp_path)
    model = ModelStore(tmp_path).resolve("fetal_head")
    for file in folder.glob("*"):
        file.write_bytes(b"something else")
    assert HeadSegmenter(model, SETTINGS).selftest() < 1e-4


@pytest.mark.parametrize(
    "key", [b"\x0a\x08", b"\x0a\x88\x00", b"\x0a\x88\x80\x00", b"\x8a\x00\x08", b"\x8a\x80\x00\x88\x00"]
)
def test_weights_in_another_file_are_refused_however_that_is_spelt(key: bytes) -> None:
    content = threshold_network() + key + b"location\x12\x0a/etc/hosts"
    with pytest.raises(DamagedModel, match="another file"):
        OnnxSession(content, ("volume",), "probability", SETTINGS)
