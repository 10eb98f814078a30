import hashlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from app.files import (
    FOR_THE_OWNER,
    SpecialFileError,
    digest,
    digest_file,
    read_regular,
    write_and_flush,
    write_atomically,
)


def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    for content in ("first", b"second", "größer"):
        write_atomically(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_sees_one_whole_content_while_others_write(tmp_path: Path) -> None:
    path, contents = tmp_path / "state", [bytes([n]) * 200_000 for n in range(4)]
    write_atomically(path, contents[0])
    writers = [threading.Thread(target=write_atomically, args=(path, one)) for one in contents for _ in range(5)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("use", [read_regular, digest_file, lambda path: write_and_flush(path, "text")])
def test_a_pipe_a_device_and_a_folder_are_not_opened(use: Callable[[Path], object], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(SpecialFileError, match="no regular file"):
            use(path)


def test_what_cannot_be_written_leaves_the_old_content_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "state"
    write_atomically(path, "old")
    path.with_name("folder").mkdir()
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    with pytest.raises(OSError, match="folder"):
        write_atomically(path.with_name("folder"), "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["folder", "state"]


def test_a_secret_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    for name, mode in (("secret", FOR_THE_OWNER), ("plain", 0o666)):
        write_atomically(tmp_path / name, "content", mode)
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "plain").stat().st_mode) == 0o666 & ~umask


def test_digests_are_those_of_sha256(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("größer".encode())
    expected = hashlib.sha256("größer".encode()).hexdigest()
    assert digest("größer") == digest("größer".encode()) == digest_file(tmp_path / "file") == expected
