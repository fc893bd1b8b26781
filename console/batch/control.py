"""`control`: ask something of a running engine: its status, rings, store and newest trades, to subscribe, to stop."""

from __future__ import annotations

import argparse
from typing import Any

from console.batch import output
from core.errors import UsageError

NAME = "control"
HELP = "ask something of a running engine"

OPERATIONS = (
    "status",
    "rings",
    "store",
    "recent",
    "subscribe",
    "unsubscribe",
    "compress",
    "verify",
    "shutdown",
    "ping",
)
LISTS = {"rings": "rings", "recent": "trades"}
"""Operations whose answer is a list, and under what name."""
OF_A_SYMBOL = frozenset({"subscribe", "unsubscribe", "recent"})


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("instance", help="name of the engine")
    parser.add_argument("operation", choices=OPERATIONS)
    parser.add_argument("symbol", nargs="?", help="for subscribe, unsubscribe and recent")
    parser.add_argument("--venue", default="", help="when several feeds could be meant")
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print the answer; a refusal ends with its exit code."""
    asked: dict[str, Any] = {}
    if arguments.operation in OF_A_SYMBOL:
        if not arguments.symbol:
            raise UsageError("no symbol", arguments.operation, hint="name one, like BTCUSD")
        asked = {"symbol": arguments.symbol, "venue": arguments.venue}
    answer = ask(arguments.instance, arguments.operation, **asked)
    if arguments.operation in LISTS:
        rows = answer.pop(LISTS[arguments.operation], [])
        output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1} | answer)
    else:
        output.write_object({"schema_version": 1} | answer, form=arguments.format)
    return 0


def ask(instance: str, operation: str, *, timeout_s: float = 15.0, **asked: Any) -> dict[str, Any]:
    """The answer of an engine. Raises the `ConsoleError` that it refused with, or `UnreachableError`."""
    from console.refusals import as_told
    from ringbuf import control, layout

    try:
        client = control.ControlClient(control.socket_path(instance), timeout_s=timeout_s)
        try:
            return client.request(operation, **asked)
        finally:
            client.close()
    except layout.RingError as error:
        raise UsageError("bad instance name", str(error)) from error
    except control.ControlError as error:
        raise as_told(error, operation=f"{instance} {operation}") from error
