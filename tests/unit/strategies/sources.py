"""Strategy files of a user's."""

from __future__ import annotations

from pathlib import Path

from strategies.approval import LIST_NAME, approve
from strategies.fingerprint import sha256_of

GOOD = '''
from core.strategy import BUY, Parameter, Strategy


class AlwaysBuys(Strategy):
    """Buys at every event."""

    PARAMETERS = (Parameter(name="size", default=3, minimum=1, maximum=9),)

    @property
    def name(self):
        return "always"

    def on_bar_data(self, bar):
        return BUY
'''


def write(folder: Path, source: str = GOOD, name: str = "mine.py") -> Path:
    """A file with that source."""
    path = folder / name
    path.write_text(source, encoding="utf-8")
    return path


def write_approved(folder: Path, source: str = GOOD, name: str = "mine.py") -> tuple[Path, Path]:
    """A file with that source, and the list that has it."""
    path, listed = write(folder, source, name), folder / "config" / LIST_NAME
    approve(listed, path, sha256_of(path))
    return path, listed
