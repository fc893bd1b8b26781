"""How far a backtest is, on stderr: a line for people, or lines of JSON for a program that runs the command."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Self

from console.batch.progress import REDRAW_NS, ProgressLine
from core.clock import monotonic_ns


class JsonProgress:
    """Prints `{"progress": 0.4, "text": "..."}` lines to stderr, at most five a second; used like `ProgressLine`."""

    def __init__(self, label: str, *, clock: Callable[[], int] = monotonic_ns) -> None:
        self.label = label
        self._clock = clock
        self._told_ns: int | None = None

    def __call__(self, fraction: float, rows: int = 0) -> None:
        """Say how far it is."""
        now_ns = self._clock()
        if self._told_ns is not None and now_ns - self._told_ns < REDRAW_NS:
            return
        self._told_ns = now_ns
        self._tell(fraction, rows)

    def _tell(self, fraction: float, rows: int) -> None:
        text = f"{self.label}, {rows:,} rows" if rows else self.label
        line = json.dumps({"progress": round(min(max(fraction, 0.0), 1.0), 4), "text": text})
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        self(0.0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._tell(1.0, 0)


def progress_of(form: str, label: str) -> ProgressLine | JsonProgress:
    """The progress of one stage of the work, for a `with`; `form` is `line` or `json`."""
    return JsonProgress(label) if form == "json" else ProgressLine(label)
