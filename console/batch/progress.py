"""A line of progress on stderr while an engine runs without a screen."""

from __future__ import annotations

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
            sys.stderr.write(f"\r\x1b[K{progress_line(engine)}")
            sys.stderr.flush()
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()


def progress_line(engine: Engine) -> str:
    """What has come in so far, in one line."""
    counters = [counters for host in engine.hosts for counters in host.counters()]
    trades = sum(counter.trades for counter in counters)
    quotes = sum(counter.quotes for counter in counters)
    books = sum(counter.book_updates for counter in counters)
    gaps = sum(counter.gaps for counter in counters)
    states = " ".join(f"{host.venue} {host.connection.status}" for host in engine.hosts)
    stored = f"  stored {engine.storage.totals()['rows']:,} trades" if engine.storage is not None else ""
    return f"{states}  {trades:,} trades  {quotes:,} quotes  {books:,} book updates  gaps {gaps}{stored}"
