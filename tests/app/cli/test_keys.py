import json
from pathlib import Path

import pytest

from app.cli.main import main
from app.console import (
    FAILED,
    FINE,
    USAGE,
)


class TestKeys:
    @pytest.fixture(autouse=True)
    def key_file(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        path = tmp_path / "secrets" / "keys"
        monkeypatch.setenv("FETALHEAD_API_KEYS_FILE", str(path))
        return path

    def test_a_key_is_shown_once_and_its_hash_is_stored(
        self, key_file: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["keys", "add", "ward-3", "--role", "reader", "--days", "30"]) == FINE
        key = capsys.readouterr().out.strip()
        assert key.startswith("fetalhead_")
        assert key not in key_file.read_text()
        assert key_file.stat().st_mode & 0o777 == 0o600
        assert main(["keys", "list", "--json"]) == FINE
        listed = json.loads(capsys.readouterr().out)
        assert (listed["name"], listed["role"], listed["expired"]) == ("ward-3", "reader", False)

    def test_a_revoked_key_is_gone(self, key_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
        main(["keys", "add", "ward-3"])
        main(["keys", "add", "ward-4"])
        assert main(["keys", "revoke", "ward-3"]) == FINE
        assert main(["keys", "revoke", "ward-3"]) == FAILED
        assert [line.split()[0] for line in key_file.read_text().splitlines()] == ["#", "ward-4"]

    def test_without_a_file_it_says_which_setting(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setenv("FETALHEAD_API_KEYS_FILE", "")
        assert main(["keys", "list"]) == USAGE
        assert "FETALHEAD_API_KEYS_FILE" in capsys.readouterr().err
