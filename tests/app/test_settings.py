from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import ValidationError

from app.settings import (
    CLIENT_VARIABLES,
    REMOVED_VARIABLES,
    Settings,
    environment_name,
    read_settings,
    unknown_variables,
)
from tests.helpers.repository import ROOT

DOCUMENT = (ROOT / "docs" / "settings.md").read_text("utf-8")


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    description = Settings.model_fields[field].description
    assert f"| `{environment_name(field)}` |" in DOCUMENT
    assert f"| {description} |" in DOCUMENT


@pytest.mark.parametrize("field", [name for name, info in Settings.model_fields.items() if info.default is not None])
def test_every_default_is_documented(field: str) -> None:
    default = Settings.model_fields[field].get_default()
    (line,) = [line for line in DOCUMENT.splitlines() if line.startswith(f"| `{environment_name(field)}` |")]
    assert f"| `{default}` |" in line or field == "model_store"


def test_nothing_is_documented_that_does_not_exist() -> None:
    named = {line.split("`")[1] for line in DOCUMENT.splitlines() if line.startswith("| `FETALHEAD_")}
    assert named == {environment_name(field) for field in Settings.model_fields} | set(CLIENT_VARIABLES)


class TestEnvironment:
    def test_it_sets_fields(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FETALHEAD_PORT", "9000")
        assert Settings().port == 9000

    def test_an_empty_variable_counts_as_absent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FETALHEAD_MODEL_VERSION", "")
        assert Settings().model_version is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("FETALHEAD_PORT", "65536"),
            ("FETALHEAD_PROVIDER", "tpu"),
            ("FETALHEAD_MAX_UPLOAD_BYTES", "0"),
            ("FETALHEAD_MODEL_NAME", "../x"),
            ("FETALHEAD_OIDC_ISSUER", "id.example"),
        ],
    )
    def test_a_value_that_cannot_be_used(self, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
        monkeypatch.setenv(name, value)
        with pytest.raises(ValidationError):
            Settings()

    def test_a_precision_that_was_removed_is_refused_with_those_that_are_there(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FETALHEAD_PRECISION", "int8")
        with pytest.raises(ValidationError, match=r"int8 was removed.*set auto, fp32, bf16 or fp16"):
            Settings()

    def test_a_misspelt_variable_is_found(self) -> None:
        environment = {"FETALHEAD_MAX_UPLOAD": "1", "FETALHEAD_PORT": "1", "HOME": "/"}
        assert unknown_variables(environment) == ["FETALHEAD_MAX_UPLOAD"]

    @pytest.mark.parametrize("name", REMOVED_VARIABLES)
    def test_a_variable_of_an_earlier_version_is_refused_with_what_to_do_instead(self, name: str) -> None:
        (refusal,) = unknown_variables({name: "1"})
        assert refusal == f"{name} ({REMOVED_VARIABLES[name]})"


class TestKubernetes:
    """Its variables about services whose names begin with fetalhead."""

    LINKS: ClassVar = {
        "FETALHEAD_SERVICE_HOST": "10.96.0.5",
        "FETALHEAD_SERVICE_PORT": "8000",
        "FETALHEAD_SERVICE_PORT_HTTP": "8000",
        "FETALHEAD_PORT": "tcp://10.96.0.5:8000",
        "FETALHEAD_PORT_8000_TCP": "tcp://10.96.0.5:8000",
        "FETALHEAD_PORT_8000_TCP_PROTO": "tcp",
        "FETALHEAD_PORT_8000_TCP_PORT": "8000",
        "FETALHEAD_PORT_8000_TCP_ADDR": "10.96.0.5",
        "FETALHEAD_API_SERVICE_HOST": "10.96.0.6",
        "FETALHEAD_API_PORT": "udp://10.96.0.6:53",
        "FETALHEAD_API_PORT_53_UDP_ADDR": "10.96.0.6",
    }

    def test_are_no_settings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in self.LINKS.items():
            monkeypatch.setenv(name, value)
        assert read_settings().port == 8000
        monkeypatch.setenv("FETALHEAD_PORT", "8123")
        assert read_settings().port == 8123

    @pytest.mark.parametrize("name", ["FETALHEAD_SERVICE", "FETALHEAD_API_PORT", "FETALHEAD_PORT_TCP"])
    def test_do_not_hide_what_is_misspelt(self, name: str) -> None:
        assert unknown_variables({name: "8000"}) == [name]


def test_the_service_listens_on_this_machine_alone_unless_told_otherwise() -> None:
    assert Settings().host == "127.0.0.1"


def test_the_database_lies_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    for name in ("data", "study%20A", "what?", "a#b"):
        assert Settings(data_dir=tmp_path / name).database == tmp_path / name / "fetalhead.sqlite"
    assert Settings(database_url="postgresql://x").database == "postgresql://x"


class TestDatabasePassword:
    def test_it_comes_from_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("s/e:c@r%t\n")
        settings = Settings(
            database_url="postgresql+psycopg://fetalhead@database/fetalhead",
            database_password_file=tmp_path / "password",
        )
        assert settings.database == ("postgresql+psycopg://fetalhead:s%2Fe%3Ac%40r%25t@database/fetalhead")

    @pytest.mark.parametrize(
        "url", [None, "postgresql://database/fetalhead", "postgresql://me:known@database/fetalhead"]
    )
    def test_a_url_that_has_no_place_for_it(self, tmp_path: Path, url: str | None) -> None:
        (tmp_path / "password").write_text("secret")
        with pytest.raises(ValidationError, match="a user and no password"):
            Settings(database_url=url, database_password_file=tmp_path / "password")

    def test_a_file_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(ValidationError, match="cannot be read"):
            Settings(database_url="postgresql://me@database/x", database_password_file=tmp_path / "none")
