"""Where Ringside keeps what it writes: under `RINGSIDE_HOME` when set, in the XDG directories otherwise. Settings and
approvals alone are in `DATA_MANAGER_CONFIG_DIR` when that is set."""

from __future__ import annotations

import os
from pathlib import Path

import attrs

DIRECTORY_VARIABLE = "DATA_MANAGER_CONFIG_DIR"


@attrs.frozen
class Paths:
    """Directories; none is created here. Segments in shared memory are not among them."""

    data: Path
    state: Path
    configuration: Path
    logs: Path

    @property
    def configuration_file(self) -> Path:
        """The file that is read when the command line names no other."""
        return self.configuration / "config.toml"


def find_paths() -> Paths:
    """The directories in force."""
    found = _usual_paths()
    elsewhere = os.environ.get(DIRECTORY_VARIABLE)
    return attrs.evolve(found, configuration=Path(elsewhere).expanduser().absolute()) if elsewhere else found


def _usual_paths() -> Paths:
    chosen = os.environ.get("RINGSIDE_HOME")
    if chosen:
        root = Path(chosen).expanduser().absolute()
        return Paths(root / "data", root / "state", root / "config", root / "logs")
    from platformdirs import PlatformDirs

    found = PlatformDirs("ringside", appauthor=False)
    return Paths(
        Path(found.user_data_path),
        Path(found.user_state_path),
        Path(found.user_config_path),
        Path(found.user_log_path),
    )
