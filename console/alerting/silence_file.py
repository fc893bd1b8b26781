"""Silences outlive engines: they stand in one file, which every engine of this home reads and anybody may change."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from core.alerts.matching import Match
from core.alerts.silences import Silence, Silences
from core.errors import ConfigurationError, TransientError
from core.store.paths import make_folder

MAX_BYTES: Final = 4 << 20
Version = tuple[int, int]
_READING: Final = "reading the silences"
_WRITING: Final = "writing the silences"


class SilenceFile:
    """The file of the silences under a state directory. Its methods block, and may be called from any thread."""

    def __init__(self, state_directory: Path) -> None:
        self._path = state_directory / "alerts" / "silences.json"

    def changed_since(self, version: Version | None) -> tuple[Version, Silences | None]:
        """The version of now, and what is in force if it is another one. Raises `ConfigurationError`."""
        found = self.version()
        return found, None if found == version else self.read()

    def version(self) -> Version:
        """Another one after each change; zeros when there is no file."""
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0
        return found.st_ino, found.st_mtime_ns

    def read(self) -> Silences:
        """Those that are in force. Raises `ConfigurationError` when the file makes no sense."""
        try:
            # What is no file must not be waited for.
            fd = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return Silences()
        except OSError as error:
            raise ConfigurationError(_READING, f"{self._path}: {error.strerror}") from error
        try:
            with os.fdopen(fd, "rb") as file:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    raise ValueError("no file")
                content = file.read(MAX_BYTES + 1)
            if len(content) > MAX_BYTES:
                raise ValueError("too large")
            document = json.loads(content)
            known = [_silence(one) for one in document["silences"]]
            return Silences(known, next_number=_whole(document.get("next_number", 1)))
        except OSError as error:
            raise ConfigurationError(_READING, f"{self._path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            hint = "remove it: alerts are then told again"
            raise ConfigurationError(_READING, f"{self._path} makes no sense", hint=hint) from error

    def add(self, rule: str, match: Match, *, until_ns: int, now_ns: int, by: str, comment: str) -> Silence:
        """Add one. Raises `ConsoleError`."""
        with self._changing(now_ns) as silences:
            return silences.add(rule, match, until_ns=until_ns, by=by, comment=comment)

    def remove(self, number: int, *, now_ns: int) -> Silence | None:
        """Take one back; None when there is none of that number. Raises `ConsoleError`."""
        with self._changing(now_ns) as silences:
            return silences.remove(number)

    @contextlib.contextmanager
    def _changing(self, now_ns: int) -> Iterator[Silences]:
        try:
            make_folder(self._path.parent)
            lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ConfigurationError(_WRITING, f"{self._path}: {error.strerror}") from error
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise TransientError(_WRITING, "another program is writing them", hint="try again") from None
            silences = self.read()
            silences.expire(now_ns)
            yield silences
            self._write(silences)
        finally:
            os.close(lock)

    def _write(self, silences: Silences) -> None:
        document = {
            "schema_version": 1,
            "next_number": silences.next_number,
            "silences": [silence_row(one) for one in silences],
        }
        content = json.dumps(document).encode()
        if len(content) > MAX_BYTES:
            raise ConfigurationError(_WRITING, f"{self._path} would be too large", hint="end some of them first")
        aside = None
        try:
            fd, name = tempfile.mkstemp(prefix=".silences.", dir=self._path.parent)
            aside = Path(name)
            with os.fdopen(fd, "wb") as file:
                file.write(content)
            aside.replace(self._path)
        except OSError as error:
            if aside is not None:
                aside.unlink(missing_ok=True)
            raise ConfigurationError(_WRITING, f"{self._path}: {error.strerror}") from error


def silence_row(silence: Silence) -> dict[str, Any]:
    """A silence as plain values, for the file and for the control channel."""
    return {
        "number": silence.number,
        "rule": silence.rule,
        "match": dict(silence.match),
        "until_ns": silence.until_ns,
        "by": silence.by,
        "comment": silence.comment,
    }


def _silence(row: Any) -> Silence:
    match = dict(row["match"])
    texts = [row["rule"], row["by"], row["comment"], *match, *match.values()]
    if not all(isinstance(one, str) and one.isprintable() for one in texts):
        raise ValueError("no text")
    rule, by, comment = texts[:3]
    return Silence(
        number=_whole(row["number"]),
        rule=rule,
        match=tuple(match.items()),
        until_ns=_whole(row["until_ns"]),
        by=by,
        comment=comment,
    )


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 2**63:
        raise ValueError("no number")
    return value
