"""What the doctor looks at: directories, settings, environment. Nothing here is created or changed."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import attrs

from config.load import load
from config.paths import Paths, find_paths
from config.problems import SettingsError
from config.schema import Settings

OK_MODE_OF_DIRECTORY: Final = 0o700
OK_MODE_OF_FILE: Final = 0o600


@attrs.frozen(kw_only=True)
class Place:
    """A machine as one user sees it. `settings` are the defaults where what is set cannot be used, for the
    `problems` given."""

    paths: Paths
    configuration_file: Path
    shared_memory: Path
    settings: Settings
    problems: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict, repr=False)

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
    settings, problems = Settings(), tuple[str, ...]()
    try:
        file = configuration or paths.configuration_file
        settings = load(file, required=configuration is not None, assigned=assigned).settings
    except SettingsError as error:
        problems = tuple(error.problems)
    except OSError as error:
        problems = (error.strerror or str(error),)
    return Place(
        paths=paths,
        configuration_file=configuration or paths.configuration_file,
        # Not `ringbuf.layout.directory`: that would make it.
        shared_memory=Path(os.environ.get("RINGSIDE_SHM") or f"/dev/shm/ringside-{os.getuid()}"),  # noqa: S108
        settings=settings,
        problems=problems,
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
