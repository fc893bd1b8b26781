"""The figures of an engine's session on the disk, look by look, so that other rules can be tried on them afterwards.

One compressed file a session, and a new one each day. A line holds what changed since the line before; a kill costs
the last one at most.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any, Final

import attrs
import numpy as np

from core.clock import DAY_NS, NS_PER_S, iso_ns
from core.errors import ConfigurationError, NotFoundError
from core.store.paths import make_folder
from core.telemetry.frame import Column, Frame

MAX_TOTAL_BYTES: Final = 256 << 20
"""What all sessions may take; the oldest go first."""
MAX_LINE_BYTES: Final = 64 << 20
AGAIN_NS: Final = 60 * NS_PER_S
"""After a failure."""
_SUFFIX: Final = ".frames.gz"
_HEAD_BYTES: Final = 10
_NAME: Final = re.compile(r"(?P<instance>.+)-(?P<begun>\d{8}T\d{6})Z")
_OPERATION: Final = "reading recorded figures"
_logger = logging.getLogger("ringside.alerts")


def sessions_folder(state_directory: Path) -> Path:
    """Where sessions are kept."""
    return state_directory / "alerts" / "sessions"


@attrs.frozen(kw_only=True)
class Session:
    """One recorded session by its name, as `alpha-20261123T041500Z`."""

    name: str
    instance: str
    path: Path
    stored_bytes: int
    written_ns: int


def sessions(state_directory: Path) -> list[Session]:
    """Every session there is, the newest first."""
    found = []
    for path in sessions_folder(state_directory).glob(f"*{_SUFFIX}"):
        name = path.name.removesuffix(_SUFFIX)
        parsed, facts = _NAME.fullmatch(name), _facts(path)
        if parsed is None or facts is None or not name.isprintable():
            continue
        session = Session(
            name=name,
            instance=parsed["instance"],
            path=path,
            stored_bytes=facts.st_size,
            written_ns=facts.st_mtime_ns,
        )
        found.append((parsed["begun"], name, session))
    return [session for *_, session in sorted(found, key=lambda one: one[:2], reverse=True)]


def find_session(state_directory: Path, name: str) -> Session:
    """The session of a name; `latest` is the newest, an instance's name its newest. Raises `NotFoundError`."""
    known = sessions(state_directory)
    for one in known:
        if name in {"latest", one.name, one.instance}:
            return one
    what = "no session was recorded" if not known else "no such session"
    hint = "an engine records its own while it watches" if not known else "`ringside alerts sessions` lists them"
    raise NotFoundError(what, ascii(name)[:80], hint=hint)


class FrameRecorder:
    """Writes the frames of one session. Its methods block; what goes wrong with the disk is said once, and the
    session goes on without being recorded until the disk takes it again."""

    def __init__(self, state_directory: Path, instance: str, *, keep_days: int) -> None:
        self._folder = sessions_folder(state_directory)
        self._instance = instance
        self._keep_days = keep_days
        self._file: gzip.GzipFile | None = None
        self._before: dict[str, Column] = {}
        self._failed = False
        self._day = self._frames = self._again_ns = 0

    def write(self, frame: Frame) -> None:
        """Add one frame."""
        if frame.time_ns < self._again_ns:
            return
        try:
            if self._file is None or frame.time_ns // DAY_NS != self._day:
                self.close()
                self._open(frame.time_ns)
            self._write_line(self._changes(frame))
        except (OSError, ValueError, zlib.error) as error:
            if not self._failed:
                _logger.warning("the figures for rehearsals are not recorded: %s", error)
            self._failed = True
            self._again_ns = frame.time_ns + AGAIN_NS
            self._give_up()
        else:
            self._failed, self._frames = False, self._frames + 1

    def close(self) -> None:
        """End the file. May be called twice."""
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                _logger.warning("the end of the recorded figures is missing: %s", error.strerror or error)

    def _give_up(self) -> None:
        # A file without a frame is of no use to anybody, and a full disk would bring one with each attempt.
        path = None if self._file is None or self._frames else self._file.name
        self.close()
        if path is not None:
            Path(path).unlink(missing_ok=True)

    def _open(self, now_ns: int) -> None:
        # Never one that is there: after a disk that was full its end may be missing, and nothing can follow on that.
        make_folder(self._folder)
        begun = iso_ns(now_ns)[:19].replace("-", "").replace(":", "")
        path = self._folder / f"{self._instance}-{begun}Z{_SUFFIX}"
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600))
        _prune(self._folder, now_ns, keep_days=self._keep_days, but=path)
        self._file = gzip.GzipFile(path, "wb", mtime=0)
        self._frames = 0
        self._before, self._day = {}, now_ns // DAY_NS
        self._write_line({"schema_version": 1, "instance": self._instance, "begin_ns": now_ns})

    def _write_line(self, line: object) -> None:
        assert self._file is not None
        self._file.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        self._file.flush()  # a reader, and a kill, find all but what is being written

    def _changes(self, frame: Frame) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for name, column in frame.columns.items():
            before = self._before.get(name)
            entry: dict[str, Any] = {}
            if before is None or before.labels != column.labels:
                entry["labels"] = column.labels
            if entry or before is None or not np.array_equal(before.values, column.values, equal_nan=True):
                entry["values"] = column.values.tolist()
            if entry:
                changed[name] = entry
        changed |= {name: None for name in self._before if name not in frame.columns}
        self._before = dict(frame.columns)
        return {"time_ns": frame.time_ns, "changed": changed}


def read_frames(session: Session) -> Generator[Frame, None, None]:
    """The frames of a session, in their order. One that is being written, or was cut off, ends where it ends.

    Raises:
        ConfigurationError: the file cannot be read, or is none of ours.
    """
    columns: dict[str, Column] = {}
    for line in _lines(session.path):
        try:
            if "schema_version" in line:
                continue
            for name, entry in line["changed"].items():
                if entry is None:
                    columns.pop(name, None)
                else:
                    columns[name] = _column(columns.get(name), entry)
            frame = Frame(_instant(line["time_ns"]), dict(columns))
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ConfigurationError(_OPERATION, f"{session.path} makes no sense") from error
        yield frame


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        if path.stat().st_size < _HEAD_BYTES:
            return
        with gzip.open(path, "rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                if not line.endswith(b"\n"):
                    return
                found = json.loads(line)
                if not isinstance(found, dict):
                    raise ConfigurationError(_OPERATION, f"{path} makes no sense")
                yield found
    except EOFError:
        return  # it is being written, or whoever wrote it was killed
    except (zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as error:
        raise ConfigurationError(_OPERATION, f"{path} is damaged") from error
    except OSError as error:
        raise ConfigurationError(_OPERATION, f"{path}: {error.strerror}") from error


def _instant(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        raise ValueError("no time")
    return value


def _column(before: Column | None, entry: dict[str, Any]) -> Column:
    labels = tuple(tuple(map(str, one)) for one in entry["labels"]) if "labels" in entry else None
    if labels is None:
        if before is None:
            raise ValueError("values of nothing")
        labels = before.labels
    values = np.array(entry["values"], dtype=np.float64)
    if values.shape != (len(labels),):
        raise ValueError("not as many values as labels")
    return Column(labels, values)


def _prune(folder: Path, now_ns: int, *, keep_days: int, but: Path) -> None:
    # Never the one that goes on, and nothing that an engine wrote to within the last hour.
    found = sorted(
        ((facts.st_mtime_ns, facts.st_size, path) for path in folder.glob(f"*{_SUFFIX}") if (facts := _facts(path))),
        reverse=True,
    )
    total = 0
    for written_ns, size, path in found:
        total += size
        old = keep_days and now_ns - written_ns > keep_days * DAY_NS
        if (old or total > MAX_TOTAL_BYTES) and path != but and now_ns - written_ns > 3600 * NS_PER_S:
            path.unlink(missing_ok=True)


def _facts(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
