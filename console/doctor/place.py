"""What the doctor looks at: directories, settings, environment. Nothing here is created or changed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import attrs

from config.load import examine, said_origins
from config.paths import Paths, find_paths
from config.schema import Settings
from ringbuf import layout

OK_MODE_OF_DIRECTORY: Final = 0o700


Known = TypeVar("Known")


class Once(Generic[Known]):
    """What is found out once, however many checks want to know it at the same time; a failure is not kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Known | None = None

    def __call__(self, find: Callable[[], Known]) -> Known:
        """What `find` returned the first time; who comes meanwhile waits for it."""
        with self._lock:
            if self._known is None:
                self._known = find()
            return self._known


@attrs.frozen(kw_only=True)
class Place:
    """A machine as one user sees it. `settings` have the defaults where what is set cannot be used, for the
    `problems` given; `origins` say where each that is none stands, and `files` which were read. `engines` is what
    those that run answered, asked for by `asked.ask_engines` alone."""

    paths: Paths
    configuration_file: Path
    shared_memory: Path
    settings: Settings
    problems: tuple[str, ...] = ()
    origins: Mapping[str, str] = attrs.field(factory=dict)
    files: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    engines: Once[list[Any]] = attrs.field(factory=Once, eq=False, repr=False)

    @property
    def directories(self) -> dict[str, Path]:
        """The directories that belong to Ringside, by what they are called here; some may not exist."""
        return {
            "data": self.paths.data,
            "state": self.paths.state,
            "logs": self.paths.logs,
            "configuration": self.paths.configuration,
            "shared memory": self.shared_memory,
        }


def find_place(configuration: Path | None = None, *, assigned: Sequence[str] = ()) -> Place:
    """This machine, with the settings of the file named, or of the usual one, and what is `assigned` before them."""
    paths = find_paths()
    file = configuration or paths.configuration_file
    found = examine(file, required=configuration is not None, assigned=assigned)
    return Place(
        paths=paths,
        configuration_file=file,
        shared_memory=layout.place(),
        settings=found.settings,
        problems=tuple(map(str, found.problems)),
        origins=said_origins(found),
        files=found.files,
        environment=dict(os.environ),
    )


def existing(path: Path) -> Path:
    """`path`, or the nearest directory above it that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def short_bytes(count: float) -> str:
    """A size for people: `3.0 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(count) < 1024 or unit == "TiB":
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
