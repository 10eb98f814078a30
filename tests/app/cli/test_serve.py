import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
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


class TestOptions:
    def test_take_precedence_over_the_environment(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], scan: Path
    ) -> None:
        monkeypatch.setenv("FETALHEAD_API_KEYS_FILE", "")
        assert main(["serve", "--host", "0.0.0.0"]) == USAGE
        assert "FETALHEAD_API_KEYS_FILE" in capsys.readouterr().err
        assert main(["serve", "--data", str(scan)]) == USAGE
        assert f"{scan} cannot be written" in capsys.readouterr().err
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert main(["serve", "--port", str(port)]) == USAGE
        assert f"127.0.0.1:{port}" in capsys.readouterr().err

    @pytest.mark.parametrize("port", ["high", "-1", "65536", "8_0"])
    def test_what_is_no_port(self, port: str, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as stopped:
            main(["serve", f"--port={port}"])
        assert stopped.value.code == USAGE
        assert "a whole number from 0 to 65535" in capsys.readouterr().err


@pytest.mark.slow
class TestTerminal:
    @pytest.mark.parametrize(
        ("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("0.0.0.0", "localhost")]
    )
    def test_it_says_which_address_to_open_and_logs_no_json(self, host: str, shown: str, tmp_path: Path) -> None:
        said = self.serve(tmp_path, "--host", host, FETALHEAD_ALLOW_UNAUTHENTICATED="true")
        assert re.search(rf"Open http://{re.escape(shown)}:\d+ in a browser; Ctrl\+C stops", said)
        assert str(tmp_path / "data") in "".join(said.split("\r\n"))
        assert '{"' not in said

    def test_it_logs_as_it_is_told_to(self, tmp_path: Path) -> None:
        assert '{"at"' in self.serve(tmp_path, FETALHEAD_LOG_FORMAT="json")

    def serve(self, folder: Path, *options: str, **environment: str) -> str:
        """What a terminal shows of a service, which is stopped as soon as it says where it is."""
        leader, follower = pty.openpty()
        words = [sys.executable, "-m", "app.cli.main", "serve", "--port", "0", "--data", str(folder / "data"), *options]
        with subprocess.Popen(words, stderr=follower, env={**os.environ, **environment}) as process:
            os.close(follower)
            said = b""
            while b"in a browser" not in said:
                said += os.read(leader, 4096)
            process.send_signal(signal.SIGINT)
            with suppress(OSError):  # the terminal's last writer is gone
                while more := os.read(leader, 4096):
                    said += more
        os.close(leader)
        assert process.returncode == FINE
        return said.decode()


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
