"""Asks the engine for its log, page after page, from where the last one ended, and keeps what it learns ready."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Final

import attrs

from console.tui.answers import Raw, read_count, read_mapping, read_rows, read_text
from console.tui.status import LogLine, parse_log_line
from console.tui.text import clean
from ringbuf.control import ControlClient, ControlError

POLL_S: Final = 0.25
ANSWER_S: Final = 5.0
MOST_PAGES: Final = 12
"""That are asked for in a row: all that an engine keeps is fewer."""
_NOT_OFFERED: Final = "usage"


@attrs.frozen(kw_only=True)
class LogPage:
    """Lines that follow those of the page before, the run of the engine they are of, and how many between them are
    not kept any more. `whole` is a line in full, which was asked for by its number."""

    epoch_ns: int = 0
    lines: tuple[LogLine, ...] = ()
    missed: int = 0
    looked_at: int = 0
    more: bool = False
    whole: LogLine | None = None


class LogFeed:
    """Asks the engine whose control socket is at `path`, in a thread of its own, while somebody looks. `offered` is
    None until it answered, and false when it knows nothing of a log that can be asked for."""

    def __init__(self, path: Path) -> None:
        self.offered: bool | None = None
        self.pages: queue.SimpleQueue[LogPage] = queue.SimpleQueue()
        self._client = ControlClient(path, timeout_s=ANSWER_S)
        self._epoch_ns = self._after = self._whole = 0
        self._watching, self._stopped, self._wanted = False, threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="engine-log", daemon=True)

    def start(self) -> None:
        """Begin, once."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question under way is left to itself."""
        self._stopped.set()
        self._wanted.set()

    def watch(self, watching: bool) -> None:
        """Ask for what is new a few times a second, or no longer."""
        if watching and not self._watching:
            self._wanted.set()
        self._watching = watching

    def ask_whole(self, sequence: int) -> None:
        """Ask for one line in full."""
        self._whole = sequence
        self._wanted.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            wanted = self._wanted.wait(POLL_S if self._watching else None)
            self._wanted.clear()
            if not self._stopped.is_set() and (wanted or self._watching):
                self.look()
        self._client.close()

    def look(self) -> None:
        """Ask for what is new, and for the line that is wanted in full."""
        sequence, self._whole = self._whole, 0
        try:
            if sequence:
                self._ask_whole(sequence)
            for _ in range(MOST_PAGES):
                if not self._ask_page():
                    return
        except ControlError as error:
            if error.category == _NOT_OFFERED:
                self.offered = False
        except Exception:  # noqa: BLE001 - whatever stands at the other end of the socket, this thread outlives it
            self._client.close()

    def _ask_page(self) -> bool:
        raw = self._client.request("log", after=self._after, epoch_ns=self._epoch_ns)
        page = parse_page(raw, after=self._after, epoch_ns=self._epoch_ns)
        if page is None:
            self.offered = False
            return False
        ahead = page.epoch_ns != self._epoch_ns or page.looked_at > self._after
        self._epoch_ns, self._after = page.epoch_ns, page.looked_at
        if page.lines or page.missed or self.offered is None:
            self.pages.put(page)
        self.offered = True
        return page.more and ahead

    def _ask_whole(self, sequence: int) -> None:
        try:
            line = parse_whole(self._client.request("log", sequence=sequence))
        except ControlError as error:
            if error.category == "unreachable":
                raise
            return  # too old: what is known of it is shown
        if line is not None:
            self.pages.put(LogPage(whole=line))


def parse_page(raw: Raw, *, after: int, epoch_ns: int) -> LogPage | None:
    """A page; None for the answer of an engine that has none to offer."""
    if not isinstance(raw.get("lines"), list):
        return None
    run, first = read_count(raw, "epoch_ns"), read_count(raw, "first")
    begin = after if run == epoch_ns or not epoch_ns else 0
    return LogPage(
        epoch_ns=run,
        lines=tuple(parse_log_line(row) for row in read_rows(raw, "lines")),
        missed=max(first - begin - 1, 0) if begin else 0,
        looked_at=read_count(raw, "looked_at"),
        more=raw.get("more") is True,
    )


def parse_whole(raw: Raw) -> LogLine | None:
    """A line in full."""
    row = read_mapping(raw, "line")
    if not row:
        return None
    fields = read_mapping(row, "fields")
    return attrs.evolve(
        parse_log_line(row),
        text=read_text(row, "text", limit=4096),
        fields=tuple((clean(str(name), limit=64), clean(str(value), limit=4096)) for name, value in fields.items()),
        trace=read_text_lines(row.get("trace")),
        more=False,
    )


def read_text_lines(value: object) -> tuple[str, ...]:
    """The lines of a text, safe to draw; none of what is no text."""
    lines = value.split("\n") if isinstance(value, str) and value else []
    return tuple(clean(line, limit=1000) for line in lines[:1000])
