"""What the program logs: kept in memory for the screen, appended to a file, on stderr when there is no screen.

Every record is made safe once, in one place, before anybody gets it: see `console.logbook.entry`. Who logs waits for
no terminal and no disk: finished lines are written by a thread for each, see `console.logbook.sink`.
"""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import attrs

from console.logbook.entry import PREFIX, ROOT, Entry, entry_of, json_line, text_line
from console.logbook.file import LogFile
from console.logbook.levels import RANKS
from console.logbook.sink import Sink, to_stderr
from console.plan import LogPlan
from console.secrets import Redactor
from core.clock import wall_ns
from core.errors import ConsoleError

KEPT_LINES: Final = 5000
STATUS_LINES: Final = 50
"""Of which the status has the newest."""
PAGE_LINES: Final = 500
"""The most that one answer over the control channel has."""
KEPT_TRACES: Final = 50
"""The newest tracebacks, which are long. The others are in the file."""
_SHOWN_TEXT: Final = 500


class Journal:
    """The newest lines, each with a number that grows by one. `epoch_ns` tells one run of numbers from the next."""

    def __init__(self) -> None:
        self.epoch_ns = wall_ns()
        self._entries: deque[tuple[int, Entry]] = deque(maxlen=KEPT_LINES)
        self._traces: dict[int, str] = {}
        self._sequence = 0

    def keep(self, entry: Entry) -> None:
        """Remember one entry, and its traceback beside it for as long as it is one of the newest."""
        self._sequence += 1
        if entry.trace:
            self._traces[self._sequence] = entry.trace
            entry = attrs.evolve(entry, trace="")
            if len(self._traces) > KEPT_TRACES:
                del self._traces[next(iter(self._traces))]
        self._entries.append((self._sequence, entry))

    def lines(self, newest: int = KEPT_LINES) -> list[dict[str, Any]]:
        """The newest of the remembered lines, newest last."""
        return [self._row(number, entry) for number, entry in list(self._entries)[-newest:]]

    def page(self, *, after: int = 0, limit: int = PAGE_LINES, level: str = "debug") -> dict[str, Any]:
        """At most `limit` lines of at least `level` that follow the line number `after`, oldest first. `looked_at` is
        the number to go on after, `more` whether there is something behind it, `first` the oldest number kept."""
        kept = list(self._entries)
        first = kept[0][0] if kept else self._sequence + 1
        rows: list[dict[str, Any]] = []
        looked_at, rank = max(after, first - 1), RANKS[level]
        for number, entry in kept[max(after - first + 1, 0) :]:
            if len(rows) >= limit:
                break
            looked_at = number
            if entry.rank >= rank:
                rows.append(self._row(number, entry))
        return {
            "epoch_ns": self.epoch_ns,
            "first": first,
            "last": self._sequence,
            "looked_at": looked_at,
            "more": bool(kept) and looked_at < kept[-1][0],
            "lines": rows,
        }

    def newest(self, limit: int = 200) -> dict[str, Any]:
        """The page that ends with the newest line."""
        return self.page(after=max(self._sequence - limit, 0), limit=limit)

    def whole(self, number: int) -> dict[str, Any] | None:
        """One line in full, with its extra fields and its traceback; None when it is not kept."""
        for known, entry in reversed(list(self._entries)):
            if known == number:
                row = self._row(number, entry) | {"text": entry.text, "fields": dict(entry.fields)}
                return row | {"trace": self._traces.get(number, "")}
        return None

    def _row(self, number: int, entry: Entry) -> dict[str, Any]:
        row: dict[str, Any] = {
            "sequence": number,
            "ts_ns": entry.ts_ns,
            "level": entry.level,
            "logger": entry.logger,
            "text": entry.text[:_SHOWN_TEXT],
            "pid": entry.pid,
        }
        more = number in self._traces or entry.fields or len(entry.text) > _SHOWN_TEXT
        return row | ({"more": True} if more else {})


class Levels:
    """The lowest level of each part, by the longest beginning of its name: `feed` is also about `feed.book`."""

    def __init__(self, lowest: str = "info", parts: Mapping[str, str] | None = None) -> None:
        self.lowest = _number(lowest)
        self.parts = {_logger_name(name): _number(level) for name, level in (parts or {}).items()}

    def of(self, name: str) -> int:
        """The lowest level that is written of a logger."""
        while name:
            if name in self.parts:
                return self.parts[name]
            name = name.rpartition(".")[0]
        return self.lowest


def _logger_name(name: str) -> str:
    return name if name == ROOT or name.startswith(PREFIX) else PREFIX + name


def _number(level: str) -> int:
    return logging.getLevelNamesMapping().get(level.upper(), logging.INFO)


class _Listener(logging.Handler):
    # Makes an entry of every record for the journal, and a line of it for the sinks of the file and the terminal.

    def __init__(self, journal: Journal, log: LogPlan, *, instance: str) -> None:
        super().__init__(logging.DEBUG)
        self._journal, self._instance = journal, instance
        self._levels = Levels(log.level, dict(log.levels))
        self._redactor = Redactor(log.secrets)
        self._json = log.format == "json"
        self._terminal: Sink | None = None
        self._file: Sink | None = None

    def add_terminal(self) -> None:
        self._terminal = Sink("terminal", to_stderr, left_out=lambda lines: self._left_out(lines, alone=True))

    def add_file(self, directory: Path, *, max_bytes: int, files: int) -> None:
        file = LogFile(directory, max_bytes=max_bytes, files=files, told=self._unfiled)
        self._file = Sink(
            "file",
            file.write,
            left_out=lambda lines: self._left_out(lines, alone=False),
            finish=file.close,
            begin_anew=file.begin_anew,
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._tell(record)
        except Exception as error:  # noqa: BLE001 - whatever a library puts into a record must not stop who logs it
            with suppress(Exception):
                text = f"a line could not be logged: {type(error).__name__}"
                self._journal.keep(Entry(ts_ns=wall_ns(), level="error", logger=ROOT, text=text))

    def _tell(self, record: logging.LogRecord) -> None:
        entry = entry_of(record, self._redactor, instance=getattr(record, "said_by", "") or self._instance)
        written = self._levels.of(record.name)
        if record.levelno >= min(written, logging.INFO):
            self._journal.keep(entry)
        if record.levelno < written:
            return
        if self._terminal is not None and not getattr(record, "untold", False):
            self._terminal.put(self._line(entry, alone=True))
        if (
            self._file is not None
            and not getattr(record, "repeated", False)
            and not getattr(record, "unfiled", False)
        ):
            self._file.put(self._line(entry, alone=False))

    def _line(self, entry: Entry, *, alone: bool) -> str:
        return json_line(entry) if self._json else text_line(entry, alone=alone)

    def _left_out(self, lines: int, *, alone: bool) -> str:
        count = "1 line was" if lines == 1 else f"{lines:,} lines were"
        why = f"nobody read {'it' if lines == 1 else 'them'}" if alone else "the disk was too slow"
        text = f"{count} not written here: {why}"
        told = Entry(
            ts_ns=wall_ns(), level="warning", logger=_LOG, text=text, pid=os.getpid(), instance=self._instance
        )
        return self._line(told, alone=alone)

    def _unfiled(self, text: str) -> None:
        # Said by the file about itself, at the end even when this is no handler any more.
        record = logging.LogRecord(_LOG, logging.WARNING, "", 0, text, None, None)
        record.unfiled = True
        self.handle(record)

    def flush(self) -> None:
        # The file first: it may have something to say.
        for sink in (self._file, self._terminal):
            if sink is not None:
                sink.flush()

    def close(self) -> None:
        for sink in (self._file, self._terminal):
            if sink is not None:
                sink.close()
        self._file = self._terminal = None
        super().close()


_LOG: Final = "ringside.log"


def open_journal(
    log_directory: Path | None, *, to_stderr: bool, log: LogPlan | None = None, instance: str = ""
) -> Journal:
    """Attach a journal to the `ringside` loggers, and a file in `log_directory` unless that is None. A file that
    cannot be written is said, once, and done without until it can be."""
    log = log or LogPlan()
    journal = Journal()
    logger = logging.getLogger(ROOT)
    close_journal()
    listener = _Listener(journal, log, instance=instance)
    if to_stderr:
        listener.add_terminal()
    if log_directory is not None:
        listener.add_file(log_directory, max_bytes=log.max_bytes, files=log.files)
    logger.setLevel(min(_number(log.level), logging.INFO))
    for name, level in log.levels:
        logging.getLogger(_logger_name(name)).setLevel(min(_number(level), logging.INFO))
        _ADJUSTED.add(_logger_name(name))
    logger.propagate = False
    logging.raiseExceptions = False  # a line that cannot be written, to a terminal that is gone, is no error
    logger.addHandler(listener)
    if instance:
        logging.getLogger("ringside.engine").info("%s starts", instance)
    return journal


_ADJUSTED: Final[set[str]] = set()


def flush_journal() -> None:
    """Wait until all that was logged is written, at most two seconds for each of file and terminal. For those who end
    a process without `close_journal`."""
    for handler in list(logging.getLogger(ROOT).handlers):
        handler.flush()


def close_journal() -> None:
    """Detach and close every handler of the `ringside` loggers, and leave these as if there had been none. What was
    logged is written first; a file or a terminal that takes nothing for two seconds is given up."""
    logger = logging.getLogger(ROOT)
    logger.setLevel(logging.NOTSET)
    for name in _ADJUSTED:
        logging.getLogger(name).setLevel(logging.NOTSET)
    _ADJUSTED.clear()
    logger.propagate = logging.raiseExceptions = True
    for handler in list(logger.handlers):
        logger.removeHandler(handler)
        handler.close()


@contextmanager
def closing_journal() -> Iterator[None]:
    """Close the journal at the end. An error of the program's own that gets here is logged with its traceback; who
    started the program is told by Python itself."""
    try:
        yield
    except ConsoleError:
        raise
    except Exception as error:
        extra = {"untold": True}
        logging.getLogger("ringside.engine").critical(
            "ended by an error of its own: %s: %s", type(error).__name__, error, exc_info=error, extra=extra
        )
        raise
    finally:
        close_journal()
