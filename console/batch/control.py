"""`control`: ask something of a running engine: its status, rings, store and newest trades, to subscribe, to stop."""

from __future__ import annotations

import argparse
from typing import Any, Final

from console.batch import output
from core.errors import NotFoundError, UsageError

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
    "prune",
    "shutdown",
    "ping",
)
LISTS = {"rings": "rings", "recent": "trades"}
"""Operations whose answer is a list, and under what name."""
OF_A_SYMBOL = frozenset({"subscribe", "unsubscribe", "recent"})
OF_DAYS = frozenset({"compress", "verify", "prune"})
INSTANTS: Final = frozenset(
    f"{name}_ns"
    for name in ("since", "started", "now", "last_event", "last_recv", "first", "last", "start", "end", "ts")
)
"""Fields that are instants; the others in ns are durations."""
INSTRUMENT: Final = frozenset({
    "canonical", "base", "quote", "settle", "price_decimals", "quantity_decimals", "price_increment_e9",
    "quantity_increment_e8", "instrument_id",
})  # fmt: skip
HIDDEN: Final = frozenset({"ts_event", "ts_recv", "path"}) | INSTRUMENT
"""What a table leaves out: it is there under another name, or of no interest."""


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("instance", help="name of the engine")
    parser.add_argument("operation", choices=OPERATIONS)
    parser.add_argument("symbol", nargs="?", help="for subscribe, unsubscribe and recent")
    parser.add_argument("--venue", default="", help="when several feeds could be meant")
    parser.add_argument(
        "--before", metavar="DAY", help="for compress, verify and prune: first day left as it is, like 2026-11-22"
    )
    output.add_format_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ask, and print the answer; a refusal ends with its exit code."""
    answer = ask(arguments.instance, arguments.operation, **_asked(arguments))
    if arguments.operation in LISTS:
        rows = answer.pop(LISTS[arguments.operation], [])
        shown = [_listed(row) for row in rows] if arguments.format == "table" else rows
        output.write_rows(shown, form=arguments.format, envelope={"schema_version": 1} | answer)
        return 0
    shown = _readable(answer) if arguments.format == "table" else answer
    output.write_object({"schema_version": 1} | shown, form=arguments.format)
    return 0


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    operation = arguments.operation
    if arguments.before is not None and operation not in OF_DAYS:
        raise UsageError("no days", f"{operation} with --before", hint=f"for {', '.join(sorted(OF_DAYS))}")
    if operation in OF_A_SYMBOL:
        if not arguments.symbol:
            raise UsageError("name a symbol", operation, hint=f"like {operation} BTCUSD")
        return {"symbol": arguments.symbol, "venue": arguments.venue}
    if operation == "prune" and arguments.before is None:
        raise UsageError("name a day", operation, hint="prune --before 2026-11-22 removes what is older, for good")
    if arguments.before is None:
        return {}
    from console.batch.db_options import parse_day

    parse_day(arguments.before)
    return {"before": arguments.before}


def _readable(value: dict[str, Any]) -> dict[str, Any]:
    # For a table: instants as such, to the second, and of lists within lists the names.
    return dict(_field(name, item) for name, item in value.items() if name not in HIDDEN)


def _field(name: str, value: Any) -> tuple[str, Any]:
    if name in INSTANTS and isinstance(value, int):
        return name.removesuffix("_ns"), output.instant(value)
    if isinstance(value, dict):
        return name, _readable(value)
    if isinstance(value, list):
        return name, [_listed(item) for item in value]
    return name, value


def _listed(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    rows = {name: inner for name, inner in item.items() if isinstance(inner, list)}
    return _readable({name: inner for name, inner in item.items() if name not in rows}) | {
        name: ", ".join(_named(one) if isinstance(one, dict) else str(one) for one in inner)
        for name, inner in rows.items()
    }


def _named(one: dict[str, Any]) -> str:
    if "standing" in one:
        return str(one["channel"]) if one["standing"] == "granted" else f"{one['channel']} {one['standing']}"
    if "leg" in one:
        return f"{one['leg']}: {one['status']}, first with {one['brought_first']}, missed {one['missed']}"
    # A reader of a ring: how far it is behind matters, unless it is not.
    late = [f" {name} {one[name]}" for name in ("lag", "lapped") if one.get(name)]
    return f"{one.get('name', '?')}{''.join(late)}"


def ask(instance: str, operation: str, *, timeout_s: float = 15.0, **asked: Any) -> dict[str, Any]:
    """The answer of an engine.

    Raises:
        NotFoundError: there is no engine of that name.
        UnreachableError: it does not answer.
        ConsoleError: what it refused with.
    """
    from console.refusals import as_told
    from ringbuf import control, layout

    try:
        path = control.socket_path(instance)
        if not path.exists():
            raise NotFoundError("no such engine", instance, hint="instances lists those that run")
        client = control.ControlClient(path, timeout_s=timeout_s)
        try:
            return client.request(operation, **asked)
        finally:
            client.close()
    except layout.RingError as error:
        raise UsageError("bad instance name", str(error)) from error
    except control.ControlError as error:
        raise as_told(error, operation=f"{instance} {operation}") from error
