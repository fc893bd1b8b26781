"""What strategies did in paper trading, in the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.clock import wall_ns
from core.store.catalogue_tables import STEPS
from core.store.sqlite import Database
from core.store.strategy_log import FIELDS, StrategyRow, row_of, values_of

_NAMES: Final = ", ".join(FIELDS)
_APPEND: Final = (
    f"INSERT INTO live_strategy_log ({_NAMES}, logged_ns) VALUES ({', '.join('?' * len(FIELDS))}, ?)"  # noqa: S608 - constants
    " ON CONFLICT (session_id, line) DO NOTHING"
)
_READ: Final = ", ".join("coalesce(line, 0)" if name == "line" else name for name in FIELDS)
_SELECT: Final = f"SELECT {_READ}, logged_ns FROM live_strategy_log"  # noqa: S608 - constants
_NEWEST_FIRST: Final = " ORDER BY log_id DESC LIMIT ?"


class CatalogueStrategyLog:
    """The log in the catalogue at `path`, which is made when there is none; with `read_only` it must be there and is
    not changed. Implements `StrategyLog`; raises as `Database` does."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self._database = Database(path, STEPS, name="catalogue", read_only=read_only)

    def append(self, rows: Sequence[StrategyRow]) -> int:
        """Write down those of the rows whose line is not there yet; how many that were. See `StrategyLog`."""
        now_ns = wall_ns()
        with self._database.transaction("writing the strategy log") as database:
            return database.executemany(_APPEND, [(*values_of(row), now_ns) for row in rows]).rowcount

    def newest_line(self, session_id: str) -> int:
        """The highest line of a session of which there is a row; 0 when there is none."""
        query = "SELECT coalesce(max(line), 0) FROM live_strategy_log WHERE session_id = ?"
        return int(self._database.rows(query, session_id)[0][0])

    def rows(self, session_id: str | None, limit: int) -> list[StrategyRow]:
        """The newest rows, of one session or of all, the newest first."""
        if session_id is None:
            found = self._database.rows(_SELECT + _NEWEST_FIRST, limit)
        else:
            found = self._database.rows(f"{_SELECT} WHERE session_id = ?{_NEWEST_FIRST}", session_id, limit)
        return [row_of(values) for values in found]

    def close(self) -> None:
        """Let go. May be called twice."""
        self._database.close()
