"""`accounts` without an action: what a desk holds and did, as tables for people or one object for programs."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from console.batch import output
from console.batch.accounts import place_of
from console.batch.output import instant
from core.errors import ConsoleError, UsageError

MOST_ROWS: Final = 1_000_000
LISTED_ACTS: Final = 1000
SHOWN_FILLS: Final = 10
SHOWN_ACTS: Final = 5
SESSION_COLUMNS: Final = ("session", "begun", "newest", "trades", "signals", "orders", "fills", "problem")
ACT_COLUMNS: Final = ("time", "wall_ns", "act", "target", "by", "outcome")
FILL_COLUMNS: Final = (
    "time", "order", "strategy", "account", "venue", "symbol", "side", "ts_ns", "price", "quantity", "fee",
    "realised", "currency", "maker", "reason",
)  # fmt: skip

Row = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    """Print what was asked for."""
    state_directory, desk = place_of(arguments)
    if arguments.list:
        _write_sessions(state_directory, desk, form=arguments.format)
    elif arguments.audit:
        _write_audit(state_directory, desk, form=arguments.format)
    elif arguments.fills is not None:
        _write_fills(state_directory, desk, arguments)
    else:
        _write_document(state_directory, desk, arguments)
    return 0


def _write_document(state_directory: Path, desk: str, arguments: argparse.Namespace) -> None:
    from console.paper.on_disk import document_on_disk, how_to_begin

    document = document_on_disk(state_directory, desk, arguments.session)
    if arguments.format != "table":
        output.write_object(document, form=arguments.format)
        return
    write_tables(document)
    if not document["running"]:
        output.talk(f"nobody trades on desk {desk} now; to go on:", f"  {how_to_begin(desk)}")


def write_tables(document: Mapping[str, Any]) -> None:
    """Print a document (`console.paper.document`) for people."""
    host = document["host"]
    shown = {
        "desk": document["desk"],
        "session": document["session"],
        "begun": instant(document["created_ns"]),
        "traded by": f"{host['instance'] or 'another'}, process {host['pid']}" if host else "nobody now",
        "trades seen": document["trades_seen"],
        "accounts": [_account(one) for one in document["accounts"]],
        "positions": document["positions"],
        "working orders": [{**one, "given": instant(one["given_ns"])} for one in document["orders"]],
        "strategies": [_strategy(one) for one in document["strategies"]],
        "symbols": [{**one, "last trade": instant(one["last_ns"])} for one in document["symbols"]],
        "newest fills": [_timed(one, "ts_ns") for one in document["fills"][:SHOWN_FILLS]],
        "newest acts": [_timed(one, "wall_ns") for one in document["acts"][:SHOWN_ACTS]],
    }
    output.write_object(shown, form="table")
    output.talk(*(f"note: {note}" for note in document["notes"]))


def _account(one: Mapping[str, Any]) -> Row:
    words = [f"halted: {one['halted']}" if one["halted"] else "", "liquidated" if one["liquidated"] else ""]
    row = {name: one[name] for name in ("id", "currency", "equity")} | {"return": f"{one['return']:+.4%}"}
    row |= {name: one[name] for name in ("today", "realised", "unrealised", "fees", "free")}
    row["locked"] = ", ".join(f"{amount} {currency}" for currency, amount in one["locked"].items())
    return row | {"margin": one["margin"], "initial": one["initial"], "state": ", ".join(filter(None, words))}


def _strategy(one: Mapping[str, Any]) -> Row:
    return {**one, "sha256": one["sha256"][:12], "last signal": instant(one["last_signal_ns"])}


def _timed(one: Mapping[str, Any], name: str) -> Row:
    # With the instant of that name first, for people.
    return {"time": instant(one[name]), **one}


def _write_fills(state_directory: Path, desk: str, arguments: argparse.Namespace) -> None:
    from console.paper.document import fill_row
    from console.paper.on_disk import past_session
    from core.sim.lines import FillLine

    if not 1 <= arguments.fills <= MOST_ROWS:
        raise UsageError("bad number", str(arguments.fills), hint=f"from 1 to {MOST_ROWS}")
    past = past_session(state_directory, desk, arguments.session)
    found = [line for line in past.lines if isinstance(line, FillLine)][-arguments.fills :]
    rows = [{"time": instant(line.ts_ns), **fill_row(line)} for line in reversed(found)]
    if not rows:
        output.talk(f"nothing was filled in session {past.head.session}")
    envelope = {"schema_version": 1, "desk": desk, "session": past.head.session}
    output.write_rows(rows, form=arguments.format, envelope=envelope, columns=FILL_COLUMNS, core=FILL_COLUMNS[:1])


def _write_audit(state_directory: Path, desk: str, *, form: str) -> None:
    from console.paper.audit import newest
    from console.paper.desks import desk_place

    entries = newest(desk_place(state_directory, desk), LISTED_ACTS)
    rows = [
        {"time": instant(one.wall_ns)} | {name: getattr(one, name) for name in ACT_COLUMNS[1:]} for one in entries
    ]
    if not rows:
        output.talk(f"nobody did anything to desk {desk}")
    output.write_rows(rows, form=form, envelope={"schema_version": 1, "desk": desk}, columns=ACT_COLUMNS)


def _write_sessions(state_directory: Path, desk: str, *, form: str) -> None:
    from console.paper.desks import desk_place
    from console.paper.on_disk import how_to_begin
    from console.paper.session import sessions

    folder = desk_place(state_directory, desk)
    rows = [_session(folder, name) for name in reversed(sessions(folder))]
    if not rows:
        output.talk(f"nothing was ever traded on desk {desk}; to begin:", f"  {how_to_begin(desk)}")
    envelope = {"schema_version": 1, "desk": desk}
    output.write_rows(rows, form=form, envelope=envelope, columns=SESSION_COLUMNS, core=SESSION_COLUMNS[:-1])


def _session(folder: Path, name: str) -> Row:
    # One that is damaged must not hide the others.
    from console.paper.document import seen_on_tape
    from console.paper.on_disk import tally_of
    from console.paper.session import find

    row: Row = dict.fromkeys(SESSION_COLUMNS)
    row["session"] = name
    try:
        past = find(folder, name)
    except ConsoleError as error:
        return row | {"problem": str(error)}
    tally = tally_of(past)
    seen = seen_on_tape(past.rows, past.head.state.markets, running=False, now_ns=0)
    newest_ns = int(past.rows["ts_ns"].max()) if len(past.rows) else 0
    return row | {
        "begun": instant(past.head.created_ns),
        "newest": instant(newest_ns),
        "trades": sum(one.ticks for one in seen.values()),
        "signals": tally.signals(),
        "orders": tally.orders(),
        "fills": tally.filled(),
        "problem": "; ".join(past.notes),
    }
