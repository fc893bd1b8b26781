"""`metrics`: the figures of a running engine, whether or not it answers Prometheus."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from console.batch import output
from core.errors import UsageError

if TYPE_CHECKING:
    from core.telemetry.frame import Frame

NAME = "metrics"
HELP = "the figures of a running engine: feeds, rings, delays, store, paper trading"


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "series", nargs="*", help="only series with these names, as ring_* (default: all; ringside_ may be left out)"
    )
    parser.add_argument(
        "--instance", default="", metavar="NAME", help="name of the engine (default: the one that runs)"
    )
    parser.add_argument("--prometheus", action="store_true", help="print the text that Prometheus gets")
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print one row a series and its labels."""
    from console.batch.attach import find_socket
    from console.batch.control import ask
    from console.metrics.document import document_frame

    if arguments.prometheus and arguments.format != "table":
        raise UsageError(
            "two forms at once", "--prometheus", hint=f"leave out --prometheus or --format {arguments.format}"
        )
    patterns = [_whole(each) for each in arguments.series]
    _check(patterns)
    instance = arguments.instance or find_socket("").stem
    frame = document_frame(ask(instance, "metrics", series=patterns))
    if arguments.prometheus:
        _print_text(frame)
    else:
        _print_rows(frame, instance=instance, form=arguments.format)
    return 0


def _whole(pattern: str) -> str:
    from core.telemetry.series import PREFIX

    return pattern if pattern.startswith((PREFIX, "*")) else PREFIX + pattern


def _check(patterns: list[str]) -> None:
    from fnmatch import fnmatchcase

    from core.telemetry.series import COLUMNS

    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in COLUMNS):
            raise UsageError(
                "no such series", ascii(pattern)[:60], hint="docs/metrics.md lists them; metrics prints all"
            )


def _print_text(frame: Frame) -> None:
    import sys

    from console.metrics.text import exposition

    with output.writing():
        sys.stdout.flush()
        for piece in exposition(frame):
            sys.stdout.write(piece.decode())


def _print_rows(frame: Frame, *, instance: str, form: str) -> None:
    from console.metrics.document import frame_rows
    from console.metrics.text import value_text

    rows: list[dict[str, Any]] = list(frame_rows(frame))
    if form in {"table", "csv"}:
        rows = [
            {
                "series": row["series"],
                "labels": ",".join(f"{name}={value}" for name, value in row["labels"].items()),
                "value": value_text(row["value"]),
            }
            for row in rows
        ]
    if not rows and form == "table":
        output.talk("nothing is measured of that now")
    envelope = {"schema_version": 1, "instance_id": instance, "time_ns": frame.time_ns}
    output.write_rows(rows, form=form, envelope=envelope, columns=("series", "labels", "value"))
