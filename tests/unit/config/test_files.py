"""Whatever stands in the place of a settings file is read within bounds or refused in words."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from config.files import MAX_FILE_BYTES, read_file
from config.problems import SettingsError
from config.save import change_setting


def test_a_file_is_read_whole_with_its_mode(tmp_path: Path) -> None:
    """Up to the largest there may be, and not a byte more."""
    path = tmp_path / "config.toml"
    path.write_bytes(b"#" * MAX_FILE_BYTES)
    path.chmod(0o640)
    content, mode = read_file(path)
    assert (len(content), mode & 0o777) == (MAX_FILE_BYTES, 0o640)
    path.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(OSError, match="larger than 1 MiB"):
        read_file(path)


def test_a_pipe_is_waited_for_until_it_ends(tmp_path: Path) -> None:
    """However many pieces it comes in, and even when nobody has opened it yet."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("wb", buffering=0) as pipe:
            for letter in b"abc":
                pipe.write(bytes([letter]))

    writer = threading.Thread(target=write)
    writer.start()
    assert read_file(path)[0] == b"abc"
    writer.join()


def test_a_pipe_that_never_ends_holds_nobody_up(tmp_path: Path) -> None:
    """Neither one that nobody writes to, nor one that stays open after its first words."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match="nobody has written to its end"):
        read_file(path, timeout_s=0.01)
    fd = os.open(path, os.O_RDWR)
    try:
        os.write(fd, b"a = 1\n")
        with pytest.raises(OSError, match="nobody has written to its end"):
            read_file(path, timeout_s=0.01)
    finally:
        os.close(fd)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """Directories, devices without end, sockets, circles of links, and what is gone."""
    circle, server = tmp_path / "circle", tmp_path / "socket"
    circle.symlink_to(circle)
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(server))
        for path in (tmp_path, Path("/dev/zero"), server, circle, tmp_path / "gone"):
            with pytest.raises(OSError, match=r"directory|regular file|such device|links|No such file"):
                read_file(path)
    assert read_file(Path(os.devnull))[0] == b""


def test_settings_are_written_into_files_alone(tmp_path: Path) -> None:
    """A pipe stays one, and is not waited for."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(SettingsError, match="no regular file"):
        change_setting(path, ("screen", "theme"), lambda _: "light")
    assert path.is_fifo()
    assert [one.name for one in tmp_path.iterdir()] == ["pipe"]
