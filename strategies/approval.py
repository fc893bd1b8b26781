"""Which strategy files may run: a list of their SHA-256 hashes that only its owner can change.

Plain text, `HASH  PATH` a line. A path stands in it once: to approve a file is to disapprove what it was before.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import re
import shlex
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from core.errors import ConfigurationError, RefusedError, UsageError
from strategies.fingerprint import read_plain_file

LIST_NAME: Final = "approved-strategies"
"""What the list is called, in the directory of the settings."""
MAX_LIST_BYTES: Final = 1 << 20
"""More is not read, and not written."""

_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class Standing(enum.StrEnum):
    """What the list says of a file."""

    APPROVED = "approved"
    CHANGED = "changed"
    """Approved as it was once, and not as it is."""
    UNKNOWN = "unknown"


@attrs.frozen
class Approval:
    """A hash that may run, and the file that had it: an absolute path."""

    sha256: str
    path: str


def real_path(path: Path) -> Path:
    """Where a file is, by the name that the list has for it, whether it is there or not.

    Raises:
        UsageError: the name has characters that no line can have.
    """
    try:
        found = path.expanduser().resolve()
    except (OSError, RuntimeError, ValueError):  # a circle of links, an unknown user, a null
        found = path.absolute()
    if not str(found).isprintable():
        raise UsageError("bad name of a file", f"{str(path)!a}", hint="only characters that can be printed")
    return found


def standing(approvals: Sequence[Approval], path: Path, sha256: str) -> Standing:
    """What they say of the file at `path` that has this hash now."""
    if any(one.sha256 == sha256 for one in approvals):
        return Standing.APPROVED
    known = str(real_path(path))
    return Standing.CHANGED if any(one.path == known for one in approvals) else Standing.UNKNOWN


def require_approved(approvals: Sequence[Approval], path: Path, sha256: str) -> None:
    """Raise `RefusedError`, which tells how to approve it, for a file that may not run."""
    found = standing(approvals, path, sha256)
    if found is not Standing.APPROVED:
        reason = "changed since it was approved" if found is Standing.CHANGED else "not approved"
        command = f"ringside --batch hash-strategy {shlex.quote(str(path))} --approve"
        raise RefusedError("the strategy may not run", f"{path}: {reason}", hint=f"read it, then: {command}")


def read_approvals(path: Path) -> tuple[Approval, ...]:
    """The list at `path`, empty when there is none.

    Raises:
        RefusedError: others can change it, or it belongs to somebody else.
        ConfigurationError: it cannot be read, or has a line that is none.
    """
    try:
        # Of a link both: who can replace the link chooses the list.
        for folder in {path.parent.resolve(), path.resolve().parent}:
            _check_owner(folder, folder.stat())
        content, found = read_plain_file(path, most_bytes=MAX_LIST_BYTES)
        _check_owner(path, found)
        lines = content.decode().split("\n")
    except FileNotFoundError:
        return ()
    except (OSError, RuntimeError, ValueError) as error:  # a circle of links is one of the second
        raise _unusable(path, str(getattr(error, "strerror", None) or error)) from error
    return tuple(_approval(path, number, line) for number, line in enumerate(lines, 1) if line)


def _check_owner(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid not in {0, os.geteuid()}:
        raise RefusedError("the list of approved strategies is not trusted", f"{path} belongs to somebody else")
    if mode & _OTHERS_WRITE and not (stat.S_ISDIR(found.st_mode) and mode & stat.S_ISVTX):
        hint = f"chmod go-w {shlex.quote(str(path))}"
        raise RefusedError("the list of approved strategies is not trusted", f"others can change {path}", hint=hint)


def _approval(path: Path, number: int, line: str) -> Approval:
    found = _LINE.fullmatch(line)
    if found is None or not line.isprintable():
        raise _unusable(path, f"line {number} is not HASH  PATH")
    return Approval(found[1], found[2])


def _unusable(path: Path, reason: str) -> ConfigurationError:
    return ConfigurationError("the list of approved strategies cannot be used", f"{path}: {reason}")


def approve(listed: Path, file: Path, sha256: str) -> bool:
    """Put the file with this hash in the list at `listed` in the place of what the same path had; whether that
    changed anything. Raises as `read_approvals`, and `RefusedError` when the list is full."""
    wanted = Approval(sha256, str(real_path(file)))
    with _changing(listed):
        before = read_approvals(listed)
        after = (*(one for one in before if one.path != wanted.path), wanted)
        if set(after) == set(before):
            return False
        _write(listed, after)
        return True


def revoke(listed: Path, file: Path, sha256: str = "") -> int:
    """Take the path, and everything that has this hash, out of the list at `listed`; how many lines that were.

    Raises as `read_approvals`.
    """
    known = str(real_path(file))
    with _changing(listed):
        before = read_approvals(listed)
        after = tuple(one for one in before if one.path != known and one.sha256 != sha256)
        if len(after) < len(before):
            _write(listed, after)
        return len(before) - len(after)


@contextlib.contextmanager
def _changing(listed: Path) -> Iterator[None]:
    # Of two approvals at once one would be lost. What is locked is the folder, because the list is replaced.
    try:
        listed.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder = os.open(listed.resolve().parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)
    except (OSError, RuntimeError) as error:
        raise _unusable(listed, str(getattr(error, "strerror", None) or error)) from error


def _write(listed: Path, approvals: Sequence[Approval]) -> None:
    content = "".join(f"{one.sha256}  {one.path}\n" for one in approvals).encode()
    if len(content) > MAX_LIST_BYTES:
        raise RefusedError("the list of approved strategies is full", str(listed), hint="revoke some")
    target = listed.resolve()  # a link stays one
    fd, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # made with 0600
    aside = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(fd)
        aside.replace(target)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
