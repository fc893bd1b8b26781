"""Output of the commands: stdout is data, stderr is talk."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.errors import ConsoleError
from core.text import one_line


class OutputError(ConsoleError):
    """What was asked for could not be written; it was done all the same."""


FORMATS = ("table", "json", "ndjson", "csv")
_NOTHING: tuple[Any, ...] = (None, "", 0, [], {})


def add_format_options(parser: argparse.ArgumentParser) -> None:
    """The options every command that prints data has."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="how data is printed (default: table)")
    parser.add_argument("--json", dest="format", action="store_const", const="json", help="short for --format json")


def write_object(value: Mapping[str, Any], *, form: str) -> None:
    """Print one object: as JSON on one line, or as `name  value` lines, those of an object within as `name.sub`. In a
    table lists of objects follow, each with a title, and what tells programs the version is left out.

    Raises:
        OutputError: it cannot be written.
    """
    if form in {"json", "ndjson"}:
        with writing():
            print(json.dumps(value, separators=(",", ":")))
        return
    lines, lists = _flattened(value, tables=form == "table")
    if form == "table":
        lines.pop("schema_version", None)
    write_rows([{"name": name, "value": _text(item)} for name, item in lines.items()], form=form)
    for name, rows in lists.items():
        with writing():
            print(f"\n{name}")
        write_rows(rows, form=form, core=tuple(rows[0])[:1])


def _flattened(
    value: Mapping[str, Any], *, tables: bool, prefix: str = ""
) -> tuple[dict[str, Any], dict[str, list[Mapping[str, Any]]]]:
    # Plain values by name, and the lists of objects if they are to be tables.
    lines: dict[str, Any] = {}
    lists: dict[str, list[Mapping[str, Any]]] = {}
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, Mapping) and item:
            inner_lines, inner_lists = _flattened(item, tables=tables, prefix=f"{name}.")
            lines |= inner_lines
            lists |= inner_lists
        elif tables and isinstance(item, list) and item and all(isinstance(one, Mapping) for one in item):
            lists[name] = item
        else:
            lines[name] = item
    return lines, lists


def write_text(text: str) -> None:
    """Print text as it is, without a line end of its own.

    Raises:
        OutputError: it cannot be written.
    """
    with writing():
        print(text, end="")


def write_rows(
    rows: Sequence[Mapping[str, Any]],
    *,
    form: str,
    envelope: Mapping[str, Any] | None = None,
    columns: Sequence[str] = (),
    core: Sequence[str] | None = None,
) -> None:
    """Print rows that share their keys. With `json` they are printed in `envelope` under its key `rows`.

    `columns` are the names when there is no row, which CSV has a line for. With `core` a table has of all others only
    the columns in which there is something.

    Raises:
        OutputError: they cannot be written.
    """
    with writing():
        if form == "json":
            print(json.dumps({**(envelope or {}), "rows": list(rows)}, separators=(",", ":")))
        elif form == "ndjson":
            for row in rows:
                print(json.dumps(row, separators=(",", ":")))
        elif form == "csv":
            _write_csv(rows, columns)
        elif rows:
            _write_table(rows, core)


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Let failures to write stdout out as `OutputError`; flushed at the end."""
    # A full disk behind stdout shows when it is flushed, at the latest when the interpreter ends.
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError("cannot write the output", error.strerror or str(error)) from error


def _write_csv(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    if names := list(rows[0] if rows else columns):
        writer.writerow(names)
    for row in rows:
        writer.writerow([_text(value) for value in row.values()])


def _write_table(rows: Sequence[Mapping[str, Any]], core: Sequence[str] | None) -> None:
    names = [name for name in rows[0] if not name.endswith("_ns")]  # people read the ISO column beside it
    if core is not None:
        names = [name for name in names if name in core or any(row.get(name) not in _NOTHING for row in rows)]
    cells = [[_text(row.get(name)) or "-" for name in names] for row in rows]
    widths = [max(len(name), *(len(line[at]) for line in cells)) for at, name in enumerate(names)]
    numeric = [all(isinstance(row.get(name), (int, float, type(None))) for row in rows) for name in names]
    for line in [names, *cells]:
        print("  ".join(_pad(text, widths[at], right=numeric[at]) for at, text in enumerate(line)).rstrip())


def _pad(text: str, width: int, *, right: bool) -> str:
    return text.rjust(width) if right else text.ljust(width)


def _text(value: Any) -> str:
    # What is missing is empty.
    if value is None or value in ([], {}):
        return ""
    if isinstance(value, (dict, list)):
        return json.dumps(value, separators=(",", ":"))
    return harmless(str(value))


def instant(instant_ns: int) -> str | None:
    """A time to the second, fit to be read; None for one that nobody knows."""
    from core.clock import iso_ns

    return f"{iso_ns(instant_ns)[:19]}Z" if 0 < instant_ns < 2**63 else None


def harmless(text: str) -> str:
    """`text` without what moves a cursor or begins a line: a `?` stands for each such character."""
    return one_line(text)


def talk(*lines: str) -> None:
    """Say something to the operator, on stderr. A terminal that is gone is no reason to stop what is being done."""
    with contextlib.suppress(OSError, ValueError):
        for line in lines:
            print(harmless(line), file=sys.stderr)


def report(error: ConsoleError, *, form: str) -> int:
    """Print an error, as one object on stdout in JSON mode and as a line on stderr otherwise, or where stdout takes
    nothing; the exit code."""
    if form in {"json", "ndjson"} and not isinstance(error, OutputError):
        described = {
            "category": error.category,
            "code": error.category,
            "message": f"{error.operation}: {error.subject}",
            "retryable": error.retryable,
            "hint": error.hint,
        }
        try:
            with writing():
                print(json.dumps({"error": described}, separators=(",", ":")))
        except (BrokenPipeError, OutputError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        else:
            return error.exit_code
    talk(f"ringside: {error.operation}: {error.subject}")
    if error.hint:
        talk(f"  {error.hint}")
    return error.exit_code
