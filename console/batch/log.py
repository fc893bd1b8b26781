"""`log`: what engines logged, from the files: no engine needs to run."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.times import TIMES_OR_AGO, instant_of
from console.logbook.levels import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from console.logbook.entry import Entry

NAME = "log"
HELP = "what engines logged: by instance, level, time and expression; follows it too"

_POLL_S: Final = 0.25
_MAX_LIMIT: Final = 10_000_000


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("instance", nargs="?", default="", help="only this engine and its processes (default: all)")
    parser.add_argument("--level", choices=LEVELS, default="debug", help="this level and worse (default: all)")
    parser.add_argument("--match", default="", metavar="REGEX", help="lines that hold it; !REGEX those that do not")
    parser.add_argument("--since", default="", metavar="TIME", help=f"not before: {TIMES_OR_AGO}")
    parser.add_argument("--limit", type=int, default=None, metavar="N", help="the newest N (default: 1000; 0: all)")
    parser.add_argument("--follow", "-f", action="store_true", help="go on with what is logged from now on")
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the entries, oldest first. The exit code is 4 when there is no log at all."""
    from collections import deque

    from config.paths import find_paths
    from console.logbook.expression import Expression
    from console.logbook.file import log_files
    from console.logbook.reading import Follower, read_entries
    from core.clock import wall_ns
    from core.errors import NotFoundError, UsageError

    limit = 1000 if arguments.limit is None else arguments.limit
    if not 0 <= limit <= _MAX_LIMIT:
        raise UsageError("bad limit", str(limit), hint=f"0 for all, up to {_MAX_LIMIT}")
    if arguments.follow and arguments.format in ("json", "csv"):
        raise UsageError("no end to wait for", f"--follow --format {arguments.format}", hint="--format ndjson")
    since_ns = instant_of(arguments.since.strip(), now_ns=wall_ns()) if arguments.since else 0
    wanted = _Wanted(arguments, Expression(arguments.match), since_ns)
    directory = find_paths().logs
    if not arguments.follow and not log_files(directory):
        raise NotFoundError("no log", str(directory), hint="an engine writes one; see --set log.level=debug")
    follower = Follower(directory) if arguments.follow else None
    # Files are in order but for what several processes wrote at once.
    found = sorted(deque(wanted.of(read_entries(directory)), maxlen=limit or None), key=lambda entry: entry.ts_ns)
    if follower is None:
        known = not arguments.instance or any(one.instance == arguments.instance for one in read_entries(directory))
        if not known:
            raise NotFoundError("nothing in the log", arguments.instance, hint="instances lists engines that run")
        if not found:
            output.talk("nothing in the log is so")
        _write(found, arguments.format)
        return 0
    try:
        _stream(found, arguments.format)
        _go_on(follower, wanted, arguments.format)
    finally:
        follower.close()
    return 0


class _Wanted:
    def __init__(self, arguments: argparse.Namespace, expression: Any, since_ns: int) -> None:
        self._instance, self._level = arguments.instance, LEVELS.index(arguments.level)
        self._expression, self._since_ns = expression, since_ns

    def of(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        return (entry for entry in entries if self._holds(entry))

    def _holds(self, entry: Entry) -> bool:
        if entry.ts_ns < self._since_ns or entry.rank < self._level:
            return False
        name = self._instance
        if name and entry.instance != name and not entry.instance.startswith(f"{name}."):
            return False
        return self._expression.empty or bool(self._expression.holds(f"{entry.part} {entry.text}"))


def _row(entry: Entry) -> dict[str, Any]:
    from core.clock import iso_ns

    return {
        "ts": iso_ns(entry.ts_ns),
        "ts_ns": entry.ts_ns,
        "level": entry.level,
        "part": entry.part,
        "logger": entry.logger,
        "instance": entry.instance,
        "pid": entry.pid,
        "text": entry.text,
        "fields": dict(entry.fields),
        "trace": entry.trace,
    }


def _write(entries: Sequence[Entry], form: str) -> None:
    if form == "table":
        _stream(entries, form)
        return
    rows = [_row(entry) for entry in entries]
    output.write_rows(rows, form=form, envelope={"schema_version": 1}, columns=tuple(_row(_nothing())))


def _nothing() -> Entry:
    from console.logbook.entry import Entry

    return Entry(ts_ns=0, level="info", logger="", text="")


def _stream(entries: Iterable[Entry], form: str) -> None:
    # As they are logged: lines that can be read, a traceback below its line.
    from console.logbook.entry import text_line

    if form != "table":
        output.write_rows([_row(entry) for entry in entries], form="ndjson")
        return
    with output.writing():
        sys.stdout.writelines(f"{text_line(entry)}\n" for entry in entries)


def _go_on(follower: Any, wanted: _Wanted, form: str) -> None:
    from threading import Event

    never = Event()
    while True:
        _stream(wanted.of(follower.read()), form)
        never.wait(_POLL_S)  # nothing tells of another process's line
