"""Writes results to files: JSON, the trades as CSV, a page of HTML. Whole or not at all, and never over another."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from console.backtests.document import TRADE_COLUMNS
from console.backtests.report import report
from core.errors import NotFoundError, RefusedError, UsageError

KINDS: Final = (".json", ".csv", ".html")


def check_outputs(paths: Sequence[Path], *, force: bool) -> None:
    """See before anything is run that the files can be written: of a kind there is, each named once, and new.

    Raises:
        UsageError: a file is of another kind, or named twice.
        NotFoundError: its folder is not there.
        RefusedError: there is such a file, and nobody said `--force`.
    """
    for path in paths:
        if path.suffix.lower() not in KINDS:
            raise UsageError("unknown kind of file", str(path), hint=f"end it with {', '.join(KINDS)}")
        if path.is_dir() or (path.exists() and not (force and path.is_file())):
            raise RefusedError("will not overwrite", str(path), hint="say so with --force, or name another file")
        if not path.parent.is_dir():
            raise NotFoundError("no such folder", str(path.parent), hint="it is not made")
    if len({path.absolute() for path in paths}) < len(paths):
        raise UsageError("given twice", "--out", hint="name each file once")


def write_outputs(document: Mapping[str, Any], paths: Sequence[Path], *, force: bool) -> None:
    """Write a result to each file, in the kind that its name ends with.

    Raises:
        RefusedError: there is such a file, and nobody said `--force`.
        ConsoleError: it cannot be written.
    """
    for path in paths:
        write_text(path, _text(document, path.suffix.lower()), force=force)


def write_text(path: Path, text: str, *, force: bool) -> None:
    """Write one file of text, whole or not at all. Raises as `write_outputs`."""
    from core.store.aside import written_aside

    with written_aside(path, replace=force) as file:
        file.write(text.encode())


def _text(document: Mapping[str, Any], suffix: str) -> str:
    if suffix == ".html":
        return report(document)
    if suffix == ".csv":
        return trades_csv(document["trades"])
    return json.dumps(document, separators=(",", ":"), allow_nan=False) + "\n"


def trades_csv(trades: Sequence[Mapping[str, Any]]) -> str:
    """The round trips, one a line under a header, numbers as exact text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(TRADE_COLUMNS)
    for trade in trades:
        writer.writerow([str(trade[name]).lower() if name == "open" else trade[name] for name in TRADE_COLUMNS])
    return text.getvalue()
