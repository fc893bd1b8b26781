"""The newest part of every log file: what was written in the time that is of interest, and never too much of it."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from console.incident.parts import Part
from console.incident.scene import Scene
from core.clock import iso_ns

MOST_FILE_BYTES: Final = 2 << 20
MOST_FILES: Final = 8
FEWEST_LINES: Final = 200
"""So many of the newest lines are there however old they are."""


def log_parts(scene: Scene) -> Iterator[Part]:
    """One part a log file, the newest files first."""
    directory = scene.place.paths.logs
    if not directory.is_dir():
        yield Part.missing("log", "the log", f"there is no {directory}")
        return
    files = _newest_first(directory)
    if not files:
        yield Part.missing("log", "the log", f"no log is in {directory}")
    for path in files[:MOST_FILES]:
        yield Part(f"log/{path.name}.log".replace(".log.log", ".log"), "the newest of the log", _newest(scene, path))


def _newest_first(directory: Path) -> list[Path]:
    found = []
    for path in directory.glob("*.log*"):
        with suppress(OSError):  # files are renamed and removed while we look
            facts = path.lstat()
            if stat.S_ISREG(facts.st_mode):
                found.append((facts.st_mtime_ns, path))
    return [path for _, path in sorted(found, reverse=True)]


def _newest(scene: Scene, path: Path) -> Callable[[], bytes]:
    def make() -> bytes:
        with path.open("rb") as file:
            if not stat.S_ISREG(path.stat().st_mode):
                raise ValueError("it is no file")
            size = file.seek(0, 2)
            file.seek(max(size - MOST_FILE_BYTES, 0))
            lines = file.read(MOST_FILE_BYTES).split(b"\n")
        if size > MOST_FILE_BYTES:
            del lines[0]  # its beginning is missing
        # Lines begin with their time, of which text order is time order; those of another shape stay.
        since = iso_ns(scene.since_ns)[:23].encode()
        first = next((at for at, line in enumerate(lines) if _stamp(line) >= since), len(lines))
        return b"\n".join(lines[min(first, max(len(lines) - FEWEST_LINES, 0)) :])

    return make


def _stamp(line: bytes) -> bytes:
    # Of a JSON line the first time in it.
    at = line.find(b"20")
    return line[at : at + 23] if at >= 0 and line[at + 4 : at + 5] == b"-" else b""
