"""Writes a setting back into the TOML file: all of the new file or nothing of it, and one writer at a time.

TOML as it is written here has neither comments nor a layout of its own: what had some is kept beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from config.layers import file_layer
from config.places import Place, written
from config.problems import SettingsError

LOCK_TIMEOUT_S: Final = 5.0
_POLL_S: Final = 0.02
_OWNER_ONLY: Final = 0o600

Check = Callable[[Mapping[str, Any]], None]
"""Looks at the whole of what is to be written, and raises what is to keep it from being written."""


class _Absent:
    def __bool__(self) -> bool:
        return False


ABSENT: Final = _Absent()
"""What a change makes of a setting that is to stand in the file no longer."""


@attrs.frozen
class Saved:
    """What saving did: whether the file is another one now, and where the old one is when comments or layout were
    lost with it."""

    changed: bool
    backup: Path | None = None


def change_setting(path: Path, place: Place, change: Callable[[Any], Any], *, check: Check | None = None) -> Saved:
    """Give the setting at `place`, key by key, the value that `change` makes of the one in the file, None for none.

    Everything else keeps its value and its order, unknown keys too, and the file its mode; a file that is made gets
    0600. What `change` and `check` raise is let out and leaves the file as it is. `ABSENT` takes the setting out, and
    with it a table that is then empty.

    Raises:
        SettingsError: the file cannot be read, is no TOML, cannot be written, or is being written all the time.
    """
    try:
        target = path.resolve()  # a link stays one
    except (OSError, RuntimeError) as error:  # Python 3.11 raises the latter for a circle of links
        raise SettingsError([f"cannot write {path}: {error}"]) from error
    try:
        if target.exists() and not target.is_file():
            raise SettingsError([f"cannot write {path}: it is no regular file"])
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(target):
            return _change(target, place, change, check)
    except OSError as error:
        raise SettingsError([f"cannot write {path}: {error.strerror or error}"]) from error


def _change(path: Path, place: Place, change: Callable[[Any], Any], check: Check | None) -> Saved:
    import tomli_w

    layer = file_layer(path, required=False)
    tree: dict[str, Any] = {} if layer is None else dict(layer.tree)
    plain = tomli_w.dumps(tree).encode()
    before = value_at(tree, place)
    after = change(before)
    if after == before or (after is ABSENT and before is None):
        return Saved(changed=False)
    if after is ABSENT:
        _remove(tree, place)
    else:
        _put(tree, place, after)
    if check is not None:
        check(tree)
    backup = None
    if path.exists() and path.read_bytes() != plain:
        backup = path.with_name(f"{path.name}.bak")
        _replace(backup, path.read_bytes(), mode=_OWNER_ONLY, owner=path.stat())
    found = path.stat() if path.exists() else None
    mode = stat.S_IMODE(found.st_mode) if found else _OWNER_ONLY
    _replace(path, tomli_w.dumps(tree).encode(), mode=mode, owner=found)
    return Saved(changed=True, backup=backup)


def value_at(tree: Any, place: Place) -> Any:
    """What stands at a place of a tree; None for nothing."""
    for part in place:
        if isinstance(part, int):
            tree = tree[part] if isinstance(tree, list) and part < len(tree) else None
        else:
            tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def _put(tree: Any, place: Place, value: Any) -> None:
    for number, part in enumerate(place[:-1], start=1):
        if isinstance(part, str):
            tree = tree.setdefault(part, {}) if isinstance(place[number], str) else tree.get(part)
        else:
            tree = tree[part] if isinstance(tree, list) and part < len(tree) else None
        if not isinstance(tree, dict if isinstance(place[number], str) else list):
            what = "a table" if isinstance(place[number], str) else "a list"
            raise SettingsError([f"{written(place[:number])} is not {what}"])
    last = place[-1]
    if isinstance(last, int) and last >= len(tree):
        raise SettingsError([f"{written(place[:-1])} has only {len(tree)} items"])
    tree[last] = value


def _remove(tree: Any, place: Place) -> None:
    holder = value_at(tree, place[:-1])
    del holder[place[-1]]
    if not holder and len(place) > 1 and isinstance(holder, dict) and isinstance(place[-2], str):
        _remove(tree, place[:-1])


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    # A file of its own, because the settings are replaced by another file while they are locked.
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock = os.open(path.with_name(f".{path.name}.lock"), flags, _OWNER_ONLY)
    try:
        deadline_s = time.monotonic() + LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise SettingsError([f"cannot write {path}: another program is writing it"]) from None
                threading.Event().wait(_POLL_S)
        yield
    finally:
        os.close(lock)


def _replace(path: Path, content: bytes, *, mode: int, owner: os.stat_result | None) -> None:
    fd, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    aside = Path(name)
    try:
        with os.fdopen(fd, "wb") as file:
            if owner is not None and (owner.st_uid, owner.st_gid) != (os.geteuid(), os.getegid()):
                with contextlib.suppress(PermissionError):
                    os.fchown(fd, owner.st_uid, owner.st_gid)
            os.fchmod(fd, mode)
            file.write(content)
            file.flush()
            os.fsync(fd)
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
