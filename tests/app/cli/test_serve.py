import json
from pathlib import Path

import pytest

from app.cli.main import main
from app.console import (
    FINE,
    USAGE,
)
from app.records.lock import FolderLock


class TestServe:
    def test_it_does_not_open_itself_to_a_network(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_HOST", "0.0.0.0")
        assert main(["serve"]) == USAGE
        assert "FETALHEAD_API_KEYS_FILE" in capsys.readouterr().err

    def test_it_does_not_share_its_folder(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        lock = FolderLock(tmp_path / "data")
        assert main(["serve"]) == USAGE
        lock.close()
        assert "in use by another service" in capsys.readouterr().err

    def test_settings_that_need_one_another(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_OIDC_ISSUER", "https://id.example")
        assert main(["serve"]) == USAGE
        assert "FETALHEAD_OIDC_AUDIENCE" in capsys.readouterr().err


class TestSettings:
    @pytest.mark.parametrize(("name", "value"), [("FETALHEAD_PORT", "high"), ("FETALHEAD_PROT", "80")])
    def test_settings_that_cannot_be_used(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
    ) -> None:
        monkeypatch.setenv(name, value)
        assert main(["serve"]) == USAGE
        assert name in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("url", "reason"), [("nonsense", "not a SQLAlchemy URL"), ("sqlite:////no/such/folder/x", "unable to open")]
    )
    def test_a_database_that_cannot_be_used(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, reason: str
    ) -> None:
        monkeypatch.setenv("FETALHEAD_DATABASE_URL", url)
        assert main(["serve"]) == USAGE
        assert reason in capsys.readouterr().err

    def test_a_data_folder_that_cannot_be_written(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scan: Path
    ) -> None:
        monkeypatch.setenv("FETALHEAD_DATA_DIR", str(scan))
        assert main(["serve"]) == USAGE
        assert "cannot be written" in capsys.readouterr().err


def test_the_interface_description_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == FINE
    assert "/segment" in json.loads(capsys.readouterr().out)["paths"]
