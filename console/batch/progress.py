"""A line of progress on stderr: of an engine without a screen, and of anything that takes its time."""

from __future__ import annotations

import contextlib
import shutil
import sys
from typing import TYPE_CHECKING

from console.batch.output import harmless
from core.clock import NS_PER_S, monotonic_ns

if TYPE_CHECKING:
    from collections.abc import Callable

    from console.supervise import Engine

INTERVAL_S = 0.5
REDRAW_NS = NS_PER_S // 5


class ProgressLine:
    """Call it with the part that is done, 0 to 1, and the rows so far; it draws at most five times a second, and
    nothing when stderr is no terminal. Use it in a `with`, which takes the line away at the end."""

    def __init__(self, label: str, *, clock: Callable[[], int] = monotonic_ns) -> None:
        self.label = label
        self._clock = clock
        self._shown = sys.stderr.isatty()
        self._began_ns = self._drawn_ns = clock()

    def __call__(self, fraction: float, rows: int = 0) -> None:
        """Say how far it is."""
        now_ns = self._clock()
        if not self._shown or now_ns - self._drawn_ns < REDRAW_NS:
            return
        self._drawn_ns = now_ns
        width = shutil.get_terminal_size().columns - 1
        text = work_line(self.label, fraction=fraction, rows=rows, elapsed_s=(now_ns - self._began_ns) / NS_PER_S)
        _redraw(text[:width])

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._shown:
            _redraw("")


def work_line(label: str, *, fraction: float, rows: int, elapsed_s: float) -> str:
    """How far something is, in one line: the part done, rows and their rate, the time left at this pace."""
    fraction = min(max(fraction, 0.0), 1.0)
    parts = [label, f"{fraction:4.0%}"]
    if rows:
        parts.append(f"{rows:,} rows")
        if elapsed_s > 0:
            parts.append(f"{rows / elapsed_s:,.0f}/s")
    if fraction > 0.01:
        left_s = round(elapsed_s * (1 - fraction) / fraction)
        parts.append(f"{left_s // 60}:{left_s % 60:02d} left")
    return "  ".join(parts)


async def show_progress(engine: Engine) -> None:
    """Redraw one line twice a second until cancelled; says nothing when stderr is no terminal."""
    import trio

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
        sys.stderr.write(f"\r\x1b[K{harmless(line)}")  # a file is called anything
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
