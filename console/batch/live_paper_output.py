"""What `live --paper-trading` prints: an object a line as things happen, or a line for people; then the sums."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from console.batch import output
from console.paper.plan import PaperPlan
from core.clock import iso_ns
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.sim.accounts import format_amount
from core.sim.lines import EquityLine, FillLine, HoleLine, LaneLine, Line, OrderLine, SignalLine
from core.sim.state import SessionHead
from core.store.columns import exact

SCHEMA_VERSION: Final = 1
KEPT: Final = "positions and orders stay for the next session of this desk"
_ACTIONS: Final = {-1: "sell", 0: "hold", 1: "buy"}


class Teller:
    """Prints in `form`, to what is standard output when this is made: strategies may print, too, elsewhere. `give_up`
    is called when nobody can be told any more; `finish` then raises why."""

    def __init__(self, *, form: str, plan: PaperPlan) -> None:
        self.session = ""
        self.give_up: Callable[[], None] = lambda: None
        self._plan = plan
        self._objects = form in {"json", "ndjson"}
        self._stream = sys.stdout
        self._error: BaseException | None = None

    def began(self, head: SessionHead, notes: tuple[str, ...]) -> None:
        """Tell that a session has begun."""
        self.session = head.session
        if self._objects:
            self._object("started", _started(head, self._plan, notes))
            return
        state = head.state
        after = f", after {head.resumed}" if head.resumed else ""
        self._line(f"session {head.session} of desk {head.desk}{after}; accounts answers as {self._plan.instance}")
        for lane in state.lanes:
            spec = lane.spec
            how = f"{spec.bars} {spec.mode.value}" if spec.strategy else lane.reason
            self._line(f"  {spec.label} trades {spec.symbol} on {spec.venue} with account {spec.account}: {how}")

    def hear(self, first: int, lines: list[Line]) -> None:
        """Tell lines of the ledger, the first of which has that number."""
        for number, line in enumerate(lines, first):
            if isinstance(line, EquityLine):
                continue
            if self._objects:
                found = msgspec.to_builtins(line)
                kind = found.pop("kind")
                if "event" in found:
                    found["event_number"] = found.pop("event")
                self._object(kind, {"line": number} | readable(found))
            elif text := _told(line):
                self._line(text)

    def status(self, report: Mapping[str, Any]) -> None:
        """Tell how it goes."""
        if self._objects:
            self._object("status", dict(report))

    def ended(self, document: Mapping[str, Any], report: Mapping[str, Any], *, stopped_by: int) -> None:
        """Tell what came of it."""
        summary = _summary(document, report, stopped_by=stopped_by)
        if self._objects:
            self._object("ended", summary)
        elif self._error is None:
            _show(summary)

    def finish(self) -> None:
        """Raise what kept this from being told."""
        if self._error is not None:
            raise self._error

    def _object(self, event: str, found: Mapping[str, Any]) -> None:
        self._line(json.dumps({"event": event, **found}, separators=(",", ":")))

    def _line(self, text: str) -> None:
        # Nobody to tell is no reason to leave a step half done: the run ends in its own time.
        if self._error is not None:
            return
        try:
            self._stream.write(f"{text if self._objects else output.harmless(text)}\n")
            self._stream.flush()
        except BrokenPipeError as error:
            self._error = error
        except OSError as error:
            self._error = output.OutputError("cannot write the output", error.strerror or str(error))
        if self._error is not None:
            self.give_up()


def readable(found: dict[str, Any]) -> dict[str, Any]:
    """Fields of a line with, beside each scaled integer, its value as text: `price` beside `price_e9`."""
    texts: dict[str, Any] = {}
    for name, value in found.items():
        plain, _, scale = name.rpartition("_")
        if isinstance(value, list):
            found[name] = [readable(one) if isinstance(one, dict) else one for one in value]
        elif scale in _SCALES and plain not in found:
            write = _SCALES[scale]
            texts[plain] = (
                {key: write(one) for key, one in value.items()} if isinstance(value, dict) else write(value)
            )
    return found | texts


_SCALES: Final[dict[str, Callable[[int], str]]] = {
    "e8": lambda value: exact(value, QUANTITY_DECIMALS),
    "e9": lambda value: exact(value, PRICE_DECIMALS),
    "e12": format_amount,
}


def _started(head: SessionHead, plan: PaperPlan, notes: tuple[str, ...]) -> dict[str, Any]:
    state = head.state
    return {
        "schema_version": SCHEMA_VERSION,
        "session": head.session,
        "desk": head.desk,
        "instance_id": plan.instance,
        "resumed": head.resumed,
        "created_ns": head.created_ns,
        "strategies": [
            {
                "label": lane.spec.label, "strategy": lane.spec.strategy, "sha256": lane.spec.sha256,
                "parameters": lane.spec.parameters, "account": lane.spec.account, "venue": lane.spec.venue,
                "symbol": lane.spec.symbol, "bars": lane.spec.bars, "mode": lane.spec.mode.value,
                "state": lane.state, "reason": lane.reason, "held": exact(lane.held_e8, QUANTITY_DECIMALS),
            }
            for lane in state.lanes
        ],
        "accounts": [
            {"id": one.id, "currency": one.currency, "initial": format_amount(one.initial_e12)}
            for one in state.accounts
        ],
        "orders": len(state.orders),
        "notes": list(notes),
    }  # fmt: skip


def _told(line: Line) -> str:
    # What people want to see as it happens, "" for the rest.
    match line:
        case SignalLine():
            wish = "cancel" if line.cancel and not line.action else _ACTIONS.get(line.action, "?")
            return (
                f"{_when(line.ts_ns)} {line.lane} on {line.symbol}: {wish} at {exact(line.last_e9, PRICE_DECIMALS)}"
            )
        case OrderLine():
            quantity = exact(line.quantity_e8, QUANTITY_DECIMALS)
            reason = f": {line.reason}" if line.reason else ""
            what = f"{line.side.value} {quantity} {line.symbol} ({line.type.value})"
            return f"{_when(line.given_ns)} order {line.number} {what} is {line.state.value}{reason}"
        case FillLine():
            quantity, price = exact(line.quantity_e8, QUANTITY_DECIMALS), exact(line.price_e9, PRICE_DECIMALS)
            fee = f"fee {format_amount(line.fee_e12)} {line.currency}"
            what = f"{line.side.value} {quantity} {line.symbol} at {price}"
            return f"{_when(line.ts_ns)} order {line.order} of {line.lane or line.reason}: {what}, {fee}"
        case LaneLine():
            return f"{_when(line.ts_ns)} {line.lane} on {line.symbol} is {line.state}: {line.reason}"
        case HoleLine():
            rows = f"{line.rows:,}" if line.rows else "an unknown number of"
            return f"{_when(line.ts_ns)} {line.symbol}: {rows} trades were not seen: {line.cause}"
    return ""


def _when(ts_ns: int) -> str:
    return f"{iso_ns(ts_ns)[11:19]}" if 0 < ts_ns < 2**63 else "--:--:--"


def _summary(document: Mapping[str, Any], report: Mapping[str, Any], *, stopped_by: int) -> dict[str, Any]:
    rows = document["strategies"]
    by_label: dict[str, dict[str, Any]] = {}
    for row in rows:
        found = by_label.setdefault(
            row["label"],
            {"label": row["label"], "account": row["account"], "state": row["state"], "signals": 0, "orders": 0,
             "fills": 0, "rejected": 0},
        )  # fmt: skip
        for name in ("signals", "orders", "fills", "rejected"):
            found[name] += row[name]
        if row["state"] == "running":  # somewhere
            found["state"] = "running"
    return {
        "schema_version": SCHEMA_VERSION,
        "session": document["session"],
        "desk": document["desk"],
        "stopped_by": signal.Signals(stopped_by).name if stopped_by else "",
        "strategies": list(by_label.values()),
        "accounts": [
            {name: row[name] for name in ("id", "currency", "initial", "equity", "realised", "unrealised", "fees")}
            for row in document["accounts"]
        ],
        "positions": [
            {name: row[name] for name in ("account", "venue", "symbol", "quantity", "average", "mark", "unrealised")}
            for row in document["positions"]
        ],
        "working_orders": len(document["orders"]),
        **{name: report[name] for name in ("trades", "late", "holes", "lost")},
        "latency": document["latency"],
        "kept": KEPT,
    }


def _show(summary: Mapping[str, Any]) -> None:
    for name in ("strategies", "accounts", "positions"):
        if summary[name]:
            with output.writing():
                sys.stdout.write(f"\n{name}\n")
            output.write_rows(summary[name], form="table")
    latency = summary["latency"]
    took = f", a step took {latency['p50_us']:.0f} us (p99 {latency['p99_us']:.0f} us)" if latency else ""
    output.talk(
        f"{summary['trades']:,} trades, {summary['late']:,} late, {summary['holes']:,} holes{took}",
        f"{summary['working_orders']} orders wait; {KEPT}, {summary['desk']}",
    )
