import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from app.access.errors import KeyFileError
from app.access.keys import ApiKeys, KeyFile
from app.access.roles import Principal, Role
from app.files import digest


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys")


class TestFile:
    def test_a_line_is_name_role_hash_and_perhaps_a_day(self, file: KeyFile) -> None:
        file.path.write_text(f"# mine\n\nward-3 reader {'a' * 64}\nward-4 admin {'b' * 64} 2030-01-31\n")
        keys = file.read()
        assert [(key.name, key.role, key.expires) for key in keys] == [
            ("ward-3", Role.READER, None),
            ("ward-4", Role.ADMIN, date(2030, 1, 31)),
        ]

    @pytest.mark.parametrize(
        "line",
        [
            "x",
            "x reader",
            "x root " + "a" * 64,
            "x reader abc",
            "x reader " + "a" * 64 + " soon",
            "ä reader " + "a" * 64,
        ],
    )
    def test_a_line_that_is_no_key_is_named(self, file: KeyFile, line: str) -> None:
        file.path.write_text(f"# first\n{line}\n", encoding="utf-8")
        with pytest.raises(KeyFileError, match="Line 2"):
            file.read()

    def test_a_file_that_everybody_may_write_is_refused(self, file: KeyFile) -> None:
        file.add("ward-3", Role.READER)
        file.path.chmod(0o666)
        with pytest.raises(KeyFileError, match="chmod 600"):
            file.read()

    def test_a_name_that_could_break_the_file(self, file: KeyFile) -> None:
        with pytest.raises(KeyFileError, match="not a valid name"):
            file.add("a b\nroot admin", Role.READER)

    def test_one_of_two_keys_of_a_holder_is_revoked_by_its_fingerprint(self, file: KeyFile) -> None:
        old, new = file.add("ward-3", Role.READER), file.add("ward-3", Role.READER)
        assert file.revoke(digest(old)[:12]) == 1
        assert [key.sha256 for key in file.read()] == [digest(new)]


class TestServed:
    def test_a_key_opens_until_it_is_revoked_without_a_restart(self, file: KeyFile) -> None:
        key = file.add("ward-3", Role.OPERATOR)
        keys = ApiKeys(file.path)
        assert keys.find(key) == Principal("ward-3", Role.OPERATOR)
        assert keys.find(key[:-1]) is None
        another = file.add("ward-4", Role.READER)
        assert keys.find(another) == Principal("ward-4", Role.READER)
        file.revoke("ward-3")
        assert keys.find(key) is None

    def test_an_expired_key_opens_nothing(self, file: KeyFile) -> None:
        today = datetime.now(UTC).date()
        key = file.add("ward-3", Role.READER, today - timedelta(days=1))
        assert ApiKeys(file.path).find(key) is None
        assert ApiKeys(file.path).find(file.add("ward-3", Role.READER, today)) is not None

    def test_a_slip_in_the_file_keeps_the_keys_and_is_told(self, file: KeyFile) -> None:
        key = file.add("ward-3", Role.READER)
        keys = ApiKeys(file.path)
        keys.load()
        with file.path.open("a") as lines:
            lines.write("half a line")
        assert keys.find(key) is not None
        assert "Line 3" in str(keys.problem)

    def test_a_file_that_is_gone_lets_nobody_in(self, file: KeyFile) -> None:
        key = file.add("ward-3", Role.READER)
        keys = ApiKeys(file.path)
        keys.load()
        os.unlink(file.path)
        assert keys.find(key) is None
