"""The list of what may run."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from core.errors import ConfigurationError, RefusedError, UsageError
from strategies.approval import (
    MAX_LIST_BYTES,
    Approval,
    Standing,
    approve,
    read_approvals,
    require_approved,
    revoke,
    standing,
)

ONE, TWO = "1" * 64, "2" * 64


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """Where the list is to be."""
    return tmp_path / "config" / "approved-strategies"


def test_without_a_list_nothing_is_approved(listed: Path) -> None:
    """It is empty, and to look does not make it."""
    assert read_approvals(listed) == ()
    assert not listed.parent.exists()


def test_what_is_approved_stands_in_it_until_it_is_revoked(listed: Path, tmp_path: Path) -> None:
    """One line a file, for its owner only; saying it twice changes nothing."""
    file = tmp_path / "a b.py"
    assert approve(listed, file, ONE) is True
    assert approve(listed, file, ONE) is False
    assert listed.read_text(encoding="utf-8") == f"{ONE}  {file}\n"
    assert stat.S_IMODE(listed.stat().st_mode) == 0o600
    assert stat.S_IMODE(listed.parent.stat().st_mode) == 0o700
    assert standing(read_approvals(listed), file, ONE) is Standing.APPROVED
    assert revoke(listed, file) == 1
    assert revoke(listed, file) == 0
    assert read_approvals(listed) == ()
    assert list(listed.parent.iterdir()) == [listed]


def test_a_file_is_approved_as_it_is_and_not_as_it_was(listed: Path, tmp_path: Path) -> None:
    """Approving another version of it takes the place of the first."""
    file, other = tmp_path / "a.py", tmp_path / "b.py"
    approve(listed, file, ONE)
    approve(listed, other, TWO)
    assert standing(read_approvals(listed), file, "3" * 64) is Standing.CHANGED
    approve(listed, file, "3" * 64)
    found = read_approvals(listed)
    assert set(found) == {Approval(TWO, str(other)), Approval("3" * 64, str(file))}
    assert standing(found, file, ONE) is Standing.CHANGED
    assert standing(found, tmp_path / "c.py", ONE) is Standing.UNKNOWN
    assert standing(found, tmp_path / "c.py", TWO) is Standing.APPROVED, "a copy is the same code"


def test_revoking_takes_the_content_back_wherever_it_lies(listed: Path, tmp_path: Path) -> None:
    """With the hash every path that has it goes, and others stay."""
    for name in ("a.py", "copy.py"):
        approve(listed, tmp_path / name, ONE)
    approve(listed, tmp_path / "other.py", TWO)
    assert revoke(listed, tmp_path / "a.py", ONE) == 2
    assert read_approvals(listed) == (Approval(TWO, str(tmp_path / "other.py")),)


def test_links_and_detours_are_the_same_file(listed: Path, tmp_path: Path) -> None:
    """The list has the real path, however the file was named."""
    file = tmp_path / "a.py"
    file.touch()
    (tmp_path / "link.py").symlink_to(file)
    approve(listed, tmp_path / "x" / ".." / "link.py", ONE)
    assert [one.path for one in read_approvals(listed)] == [str(file)]
    assert standing(read_approvals(listed), tmp_path / "link.py", TWO) is Standing.CHANGED


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_list_that_others_can_write_is_refused(listed: Path, tmp_path: Path, mode: int) -> None:
    """The error is how to mend it; nothing is read from it and nothing added to it."""
    approve(listed, tmp_path / "a.py", ONE)
    listed.chmod(mode)
    for act in (lambda: read_approvals(listed), lambda: approve(listed, tmp_path / "b.py", TWO)):
        with pytest.raises(RefusedError, match=f"others can change .*chmod go-w {listed}"):
            act()
    listed.chmod(0o600)
    assert len(read_approvals(listed)) == 1


def test_a_list_in_a_folder_that_others_can_write_is_refused(listed: Path, tmp_path: Path) -> None:
    """They could put another list in its place."""
    approve(listed, tmp_path / "a.py", ONE)
    listed.parent.chmod(0o777)
    with pytest.raises(RefusedError, match="others can change"):
        read_approvals(listed)
    listed.parent.chmod(0o1777)  # where only the owner of a file can replace it
    assert len(read_approvals(listed)) == 1


def test_a_link_to_a_list_in_a_folder_that_others_can_write_is_refused(listed: Path, tmp_path: Path) -> None:
    """They could let it point to any file of hashes; that the file itself is safe does not help."""
    real = tmp_path / "real" / "SHA256SUMS"
    approve(real, tmp_path / "a.py", ONE)
    listed.parent.mkdir(mode=0o700)
    listed.symlink_to(real)
    assert len(read_approvals(listed)) == 1
    listed.parent.chmod(0o777)
    with pytest.raises(RefusedError, match=f"others can change {listed.parent}"):
        read_approvals(listed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_list_of_somebody_else_is_refused(listed: Path, tmp_path: Path) -> None:
    """What another user wrote approves nothing."""
    approve(listed, tmp_path / "a.py", ONE)
    os.chown(listed, 12345, 12345)
    with pytest.raises(RefusedError, match="somebody else"):
        read_approvals(listed)


@pytest.mark.parametrize(
    "content",
    [b"nonsense\n", b"1234  /a.py\n", ONE.encode() + b" /a.py\n", b"\xff\n", ONE.encode() + b"  /a\x1b.py\n"],
)
def test_a_garbled_list_is_an_error_and_not_an_empty_one(listed: Path, content: bytes) -> None:
    """A line that is none is named; nothing is guessed."""
    listed.parent.mkdir(mode=0o700)
    listed.write_bytes(f"{TWO}  /fine.py\n".encode() + content)
    listed.chmod(0o600)
    with pytest.raises(ConfigurationError, match="cannot be used"):
        read_approvals(listed)


def test_a_list_that_is_full_stays_as_it_is(listed: Path) -> None:
    """What would make it too long to be read is refused; to take something back is still possible."""
    listed.parent.mkdir(mode=0o700)
    line = f"{ONE}  /{{:0198}}\n"
    listed.write_text(
        "".join(line.format(at) for at in range(MAX_LIST_BYTES // len(line.format(0)))), encoding="utf-8"
    )
    listed.chmod(0o600)
    before = read_approvals(listed)
    with pytest.raises(RefusedError, match="full"):
        approve(listed, Path("/" + "b" * 250), TWO)
    assert read_approvals(listed) == before
    assert revoke(listed, Path(before[0].path)) == 1
    assert approve(listed, Path("/b.py"), TWO)


def test_a_list_that_is_no_file_is_an_error(listed: Path) -> None:
    """A pipe is not waited for; a folder and a circle of links say so."""
    listed.parent.mkdir(mode=0o700)
    os.mkfifo(listed, 0o600)
    with pytest.raises(ConfigurationError, match="not a file"):
        read_approvals(listed)
    listed.unlink()
    listed.symlink_to(listed)
    with pytest.raises(ConfigurationError):
        read_approvals(listed)
    with pytest.raises(ConfigurationError):
        approve(listed, Path("/a.py"), ONE)


def test_a_list_that_is_a_link_stays_one(listed: Path, tmp_path: Path) -> None:
    """What it points to is replaced."""
    real = tmp_path / "real" / "list"
    real.parent.mkdir(mode=0o700)
    listed.parent.mkdir(mode=0o700)
    listed.symlink_to(real)
    with pytest.raises(FileNotFoundError):
        real.stat()
    approve(listed, tmp_path / "a.py", ONE)
    approve(listed, tmp_path / "b.py", TWO)
    assert listed.is_symlink()
    assert len(read_approvals(listed)) == 2


def test_names_that_would_break_a_line_are_refused(listed: Path) -> None:
    """A file whose name has a line feed in it cannot be approved, nor forge a line."""
    with pytest.raises(UsageError, match="can be printed"):
        approve(listed, Path(f"/a\n{TWO}  /b.py"), ONE)
    assert read_approvals(listed) == ()


def test_a_refusal_is_the_command_that_approves(tmp_path: Path) -> None:
    """Quoted for a shell, and it tells a changed file from an unknown one."""
    file = tmp_path / "my file.py"
    command = f"ringside --batch hash-strategy '{file}' --approve"
    with pytest.raises(RefusedError, match="not approved") as unknown:
        require_approved((), file, ONE)
    assert command in unknown.value.hint
    with pytest.raises(RefusedError, match="changed since it was approved"):
        require_approved((Approval(TWO, str(file)),), file, ONE)


def test_of_approvals_at_the_same_time_none_is_lost(listed: Path) -> None:
    """Many at once are all in the list in the end."""
    files = [Path(f"/strategy_{number}.py") for number in range(24)]
    threads = [threading.Thread(target=approve, args=(listed, file, ONE)) for file in files]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.path for one in read_approvals(listed)} == {str(file) for file in files}
    assert list(listed.parent.iterdir()) == [listed]
