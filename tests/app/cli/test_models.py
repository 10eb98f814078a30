import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.main import main
from app.console import (
    FAILED,
    FINE,
    NO_MODEL,
    READER_LEFT,
)
from tests.helpers.makers import publish_threshold_model


class TestModels:
    def test_list(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "list"]) == FINE
        assert capsys.readouterr().out.startswith("fetal_head 1")

    def test_verify(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "verify"]) == FINE
        assert "intact" in capsys.readouterr().out

    def test_verify_finds_an_altered_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = publish_threshold_model(tmp_path / "altered")
        (folder / "context_level_1.onnx").write_bytes(b"altered")
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "altered"))
        assert main(["models", "verify", "--json"]) == FAILED
        assert "SHA-256" in json.loads(capsys.readouterr().out)["problem"]

    def test_list_goes_on_past_a_damaged_version(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for version in (1, 2):
            publish_threshold_model(tmp_path / "two", version)
        (tmp_path / "two/fetal_head/1/manifest.json").write_text("{}")
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "two"))
        assert main(["models", "list"]) == FAILED
        damaged, *_, fine = capsys.readouterr().out.splitlines()
        assert damaged.startswith("fetal_head 1  fetal_head/1/manifest.json: ")
        assert fine.startswith("fetal_head 2  20")

    def test_verify_reads_what_was_measured(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = publish_threshold_model(tmp_path / "altered")
        (folder / "evaluation.json").write_text("{bad")
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path / "altered"))
        assert main(["models", "verify"]) == FAILED
        assert "evaluation.json is not JSON" in capsys.readouterr().out

    def test_a_reader_that_leaves_ends_it_without_a_word(self) -> None:
        for program in ("app.cli.main", "training.cli.main"):
            script = f"import sys; from {program} import main; sys.exit(main(sys.argv[1:]))"
            arguments = ["models", "list"] if program == "app.cli.main" else ["completion", "bash"]
            read, write = os.pipe()
            os.close(read)
            ended = subprocess.run(
                [sys.executable, "-c", script, *arguments], check=False, stdout=write, stderr=subprocess.PIPE, text=True
            )
            os.close(write)
            assert (ended.returncode, ended.stderr) == (READER_LEFT, ""), program

    def test_an_empty_store(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scan: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path))
        assert main(["models", "verify"]) == NO_MODEL
        assert main(["segment", str(scan), "-o", str(tmp_path / "out")]) == NO_MODEL
        assert "holds no model" in capsys.readouterr().err

    def test_an_error_for_machines(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_MODEL_STORE", str(tmp_path))
        assert main(["models", "verify", "--json"]) == NO_MODEL
        assert json.loads(capsys.readouterr().err)["exit_code"] == NO_MODEL
