"""The cache of unpacked trees: one for each content, complete or not there, removed when nobody uses it.

Two kinds of locks, both released by the kernel however a process ends: `unpack.lock` is held while anything changes,
`KEY.lock` is shared by all that run from the tree `KEY`. Whoever removes a tree holds both.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

CONTENTS = "contents"
KEPT = 2
"""Trees that are kept, the one in use included: going back to the version of yesterday costs nothing."""
SPARE_BYTES = 32 << 20
_PART = ".unpacking-"
_ASIDE = ".removed-"


class CacheError(Exception):
    """The file cannot be unpacked or used here, and what to do about it."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Content:
    """What is to be unpacked: its `key`, how large it becomes, and the oldest C library it runs with."""

    def __init__(self, key: str, *, unpacked_bytes: int, glibc: str = "") -> None:
        self.key = key
        self.unpacked_bytes = unpacked_bytes
        self.glibc = glibc


Unpack = Callable[[Path], None]
"""Writes the content into a directory that is empty."""


def cache_root(environment: Mapping[str, str]) -> Path:
    """Where trees are: `RINGSIDE_CACHE`, else below `RINGSIDE_HOME`, else where XDG has caches."""
    if chosen := environment.get("RINGSIDE_CACHE"):
        return Path(chosen).expanduser().absolute()
    if home := environment.get("RINGSIDE_HOME"):
        return Path(home).expanduser().absolute() / "cache"
    base = environment.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path("~/.cache").expanduser()) / "ringside"


def write_contents(tree: Path, key: str) -> None:
    """Write down what the tree consists of: the mark that it is complete."""
    lines = [f"{path.stat().st_size}\t{path.relative_to(tree)}" for path in sorted(tree.rglob("*")) if path.is_file()]
    (tree / CONTENTS).write_text("\n".join([key, *lines]) + "\n", encoding="utf-8")


def is_whole(tree: Path, key: str) -> bool:
    """Whether every file of the tree is there with its size: some milliseconds for some thousand files."""
    try:
        found, *lines = (tree / CONTENTS).read_text(encoding="utf-8").splitlines()
        prefix, stat = f"{tree}/", os.stat
        for line in lines:
            size, _, name = line.partition("\t")
            if stat(prefix + name).st_size != int(size):
                return False
    except (OSError, ValueError):
        return False
    return found == key


class Cache:
    """The trees below `root`. `unpack` writes the wanted one; `say` tells the operator why it takes a while."""

    def __init__(
        self, root: Path, content: Content, unpack: Unpack, say: Callable[[str], None] | None = None
    ) -> None:
        self._root = root
        self._content = content
        self._unpack = unpack
        self._say = say or _to_stderr
        self._tree = root / content.key

    def hold(self) -> Path:
        """The tree, unpacked if it is not there or not whole, and not removed by others for as long as this process
        lives, also when it becomes another program.

        Raises:
            CacheError: it cannot be had here.
        """
        try:
            self._make_root()
            with _locked(self._root / f"{self._content.key}.lock", shared=True) as lock:
                if not is_whole(self._tree, self._content.key):
                    self._unpack_once()
                held = fcntl.fcntl(lock, fcntl.F_DUPFD, 3)  # never in place of an output that was closed
            os.set_inheritable(held, True)
            with contextlib.suppress(OSError):
                os.utime(self._root / f"{self._content.key}.lock")  # the order in which trees were used last
        except OSError as error:
            raise self._explained(error) from error
        return self._tree

    def _make_root(self) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        status = self._root.stat()
        if status.st_uid not in {0, os.geteuid()} or status.st_mode & 0o022:
            message = f"{self._root} belongs to somebody else, or others may write to it"
            raise CacheError(message, hint="set RINGSIDE_CACHE to a directory of your own")

    def _unpack_once(self) -> None:
        with _locked(self._root / "unpack.lock", shared=False, waiting=self._tell_waiting):
            if is_whole(self._tree, self._content.key):
                return  # by whom we waited for
            self._check_place()
            self._clear_left()
            self._say(f"ringside: unpacking once into {self._tree}")
            part = self._root / f"{_PART}{os.getpid()}"
            try:
                part.mkdir(mode=0o700)
                self._unpack(part)
                write_contents(part, self._content.key)
                if self._tree.exists():
                    self._tree.rename(self._root / f"{_ASIDE}{os.getpid()}")
                part.rename(self._tree)
            finally:
                self._clear_left()
            remove_unused(self._root, keep=self._content.key)

    def _tell_waiting(self) -> None:
        self._say("ringside: another start is unpacking; waiting for it")

    def _check_place(self) -> None:
        found = os.confstr("CS_GNU_LIBC_VERSION") if self._content.glibc else ""
        if _numbers(found or "") < _numbers(self._content.glibc):
            message = f"this file needs glibc {self._content.glibc}; here is {found or 'another C library'}"
            raise CacheError(message, hint="use a newer system, or the container")
        place = os.statvfs(self._root)
        if place.f_flag & os.ST_NOEXEC:
            message = f"{self._root} is on a file system from which nothing may be run"
            raise CacheError(message, hint="set RINGSIDE_CACHE to a directory on another one")
        free = place.f_bavail * place.f_frsize
        if free < self._content.unpacked_bytes + SPARE_BYTES:
            raise self._full(free)

    def _full(self, free_bytes: int) -> CacheError:
        needed, free = (size >> 20 for size in (self._content.unpacked_bytes + SPARE_BYTES, free_bytes))
        message = f"not enough room in {self._root}: {needed} MiB are needed, {free} MiB are free"
        return CacheError(message, hint="make room, or set RINGSIDE_CACHE to a directory elsewhere")

    def _explained(self, error: OSError) -> CacheError:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            return self._full(0)
        hint = "set RINGSIDE_CACHE to a directory that can be written"
        return CacheError(f"cannot unpack into {self._root}: {error.strerror or error}", hint=hint)

    def _clear_left(self) -> None:
        # What is there besides trees while `unpack.lock` is ours was left by one that was killed, or by ourselves.
        for left in self._root.iterdir():
            if left.name.startswith((_PART, _ASIDE)):
                shutil.rmtree(left, ignore_errors=True)


def remove_unused(root: Path, *, keep: str) -> None:
    """Remove trees beyond the `KEPT` used last, but for `keep` and those that run. `unpack.lock` must be held."""
    locks = sorted(root.glob("*.lock"), key=lambda path: path.stat().st_mtime, reverse=True)
    others = [lock for lock in locks if lock.stem not in {keep, "unpack"}]
    for lock in others[KEPT - 1 :]:
        with contextlib.suppress(OSError), _locked(lock, shared=False, patient=False):
            tree = root / lock.stem
            if tree.exists():
                aside = root / f"{_ASIDE}{os.getpid()}"
                tree.rename(aside)
                shutil.rmtree(aside, ignore_errors=True)
            lock.unlink()


@contextlib.contextmanager
def _locked(
    path: Path, *, shared: bool, patient: bool = True, waiting: Callable[[], None] = lambda: None
) -> Iterator[int]:
    # The lock of the file that bears the name now: one that was removed while we waited is nobody's.
    how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        lock = _open(path)
        try:
            try:
                fcntl.flock(lock, how | fcntl.LOCK_NB)
            except BlockingIOError:
                if not patient:
                    raise
                waiting()
                fcntl.flock(lock, how)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), path.stat()):
                    yield lock
                    return
        finally:
            os.close(lock)


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in {errno.EROFS, errno.EACCES}:
            raise
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # one that an image brings


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.rpartition(" ")[2].split(".") if part.isdigit())


def _to_stderr(line: str) -> None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
