"""A line of progress on stderr while an engine runs without a screen."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from console.supervise import Engine

INTERVAL_S = 0.5


async def show_progress(engine: Engine) -> None:
    """Redraw one line twice a second until cancelled; says nothing when stderr is no terminal."""
    if not sys.stderr.isatty():
        return
    try:
        while True:
            await trio.sleep(INTERVAL_S)
            width = shutil.get_terminal_size().columns - 1
            _redraw(progress_line(engine)[:width])
    finally:
        _redraw("")


def _redraw(line: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone shows nothing, and stops nothing
        sys.stderr.write(f"\r\x1b[K{line}")
        sys.stderr.flush()


def progress_line(engine: Engine) -> str:
    """What has come in so far, in one line."""
    reports = [host.report() for host in engine.hosts]
    feeds = [row for report in reports for row in report["feeds"]]
    totals = {name: sum(row[name] for row in feeds) for name in ("trades", "quotes", "book_updates", "gaps")}
    states = " ".join(f"{row['venue']} {row['status']}" for report in reports for row in report["connections"])
    stored = f"  stored {engine.storage.totals()['rows']:,} trades" if engine.storage is not None else ""
    return (
        f"{states}  {totals['trades']:,} trades  {totals['quotes']:,} quotes  {totals['book_updates']:,} book updates"
        f"  gaps {totals['gaps']}{stored}"
    )
