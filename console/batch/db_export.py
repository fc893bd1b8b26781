"""`db export`: writes a series to a file that other programs read."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from console.batch import output
from console.batch.db_options import add_range_options, add_series_options, wanted_range
from console.batch.db_target import Reading, add_store_option, find_target, open_reader
from console.batch.progress import ProgressLine
from core.errors import RefusedError, UsageError

if TYPE_CHECKING:
    from core.store.exporting import Exported
    from core.store.paging import Range

STDOUT = "-"
ZSTANDARD = ".zst"
KINDS = ("dbn", "csv", "parquet")


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_series_options(parser)
    add_range_options(parser)
    parser.add_argument(
        "--format", dest="kind", choices=KINDS, help="kind of file (default: what its name ends with, else dbn)"
    )
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="where to; - for stdout; .zst at its end compresses it"
    )
    parser.add_argument("--force", action="store_true", help="replace the file if there is one")
    parser.add_argument("--raw", action="store_true", help="dbn: the records as they are stored, no lots")
    parser.add_argument(
        "--json", dest="format", action="store_const", const="json", default="table", help="say in JSON what was done"
    )
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the file and say what it holds."""
    to_stdout = arguments.output == STDOUT
    arguments.kind = _kind(arguments.output, arguments.kind)
    _check(arguments, to_stdout=to_stdout)
    with open_reader(find_target(arguments)) as reading:
        wanted = wanted_range(reading.ticks, arguments)
        with _output(arguments) as file, ProgressLine("exporting") as progress:
            exported = _write(reading, wanted, file, arguments, progress)
    _report(arguments, wanted, exported, to_stdout=to_stdout)
    return 0


def _kind(name: str, wanted: str | None) -> str:
    # What a name ends with must not promise something else than what is in the file.
    suffix = Path(name.removesuffix(ZSTANDARD)).suffix.removeprefix(".").lower()
    if wanted is None:
        if suffix and suffix not in KINDS:
            raise UsageError("unknown kind of file", name, hint=f"say which with --format: {', '.join(KINDS)}")
        return suffix or KINDS[0]
    if suffix in KINDS and suffix != wanted:
        raise UsageError("two kinds of file", f"--format {wanted} into {name}", hint=f"end it with .{wanted}")
    return wanted


def _check(arguments: argparse.Namespace, *, to_stdout: bool) -> None:
    kind, name = arguments.kind, arguments.output
    if arguments.raw and kind != "dbn":
        raise UsageError("raw is for dbn", f"--raw with {kind}", hint="csv and parquet have exact decimals anyway")
    if to_stdout and kind == "parquet":
        raise UsageError("parquet needs a file", STDOUT, hint="name one with --output")
    if kind == "parquet" and name.endswith(ZSTANDARD):
        raise UsageError("parquet is compressed as it is", name, hint="name a file without .zst")
    if to_stdout and kind == "dbn" and sys.stdout.isatty():
        raise UsageError("dbn is not for a terminal", STDOUT, hint="name a file with --output")
    path = Path(name)
    if not to_stdout and path.exists() and not path.is_file() and not path.is_dir():
        raise RefusedError(
            "cannot export", f"{path} is a device or a pipe, no file", hint="name a file, or - for stdout"
        )


@contextlib.contextmanager
def _output(arguments: argparse.Namespace) -> Iterator[BinaryIO]:
    from core.store.aside import written_aside
    from core.store.exporting import zstandard_file

    if arguments.output == STDOUT:
        with output.writing():
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        return
    path = Path(arguments.output)
    with written_aside(path, replace=arguments.force) as file:
        if path.suffix == ZSTANDARD:
            with zstandard_file(file) as compressed:
                yield compressed
        else:
            yield file


def _write(
    reading: Reading, wanted: Range, file: BinaryIO, arguments: argparse.Namespace, progress: ProgressLine
) -> Exported:
    from core.store import exporting

    if arguments.kind == "csv":
        return exporting.write_csv(reading.ticks, wanted, file, progress=progress)
    if arguments.kind == "parquet":
        return exporting.write_parquet(reading.ticks, wanted, file, progress=progress)
    instrument = exporting.instrument_of(reading.books, wanted.series)
    return exporting.write_dbn(
        reading.ticks, wanted, file, instrument=instrument, raw=arguments.raw, progress=progress
    )


def _report(arguments: argparse.Namespace, wanted: Range, exported: Exported, *, to_stdout: bool) -> None:
    if exported.saturated:
        output.talk(
            f"{exported.saturated} sizes are too large for 32 bits and stand at the highest number",
            "  export the records as stored with --raw",
        )
    if to_stdout:
        return
    path = Path(arguments.output)
    found = {
        "schema_version": 1,
        "file": str(path),
        "kind": str(arguments.kind),
        "venue": wanted.series.venue,
        "symbol": wanted.series.symbol,
        "schema": wanted.series.schema.value,
        "rows": exported.rows,
        "records": exported.records,
        "bytes": path.stat().st_size,
        "size_exp": exported.size_exp,
        "saturated": exported.saturated,
    }
    output.write_object(found, form=arguments.format)
