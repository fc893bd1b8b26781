"""Runs one feed in a child process: starts it, follows its status, restarts it under a budget, ends it with us."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
import trio

from console.asking import ask
from console.childprocess import ChildProcess, Said, last_object
from console.intervals import SHOWN_INTERVALS, interval_rows, read_intervals
from console.journal_link import Repeater
from console.left_rows import down_legs, unheard, with_left
from console.plan import EnginePlan, FeedPlan, StorePlan, encode_plan
from console.restarts import RestartBudget
from console.status import COUNTS, HostReport, connection_row
from console.storage import StoredRing
from console.told_rings import told_instruments, told_rings
from core.clock import NS_PER_S, monotonic_ns, wall_ns
from core.errors import ConsoleError
from core.model.instruments import Instrument
from core.telemetry.delays import ended, merged
from providers.base import Interval
from providers.connection import ConnectionState, ConnectionStatus
from ringbuf import control
from ringbuf.control import ControlClient, ControlError

STARTING_POLL_S = 0.1
POLL_S = 1.0  # a status takes a child with forty symbols 3 ms, in which it receives nothing
BEATING_NS = 10 * NS_PER_S
"""A child that has not told of itself for so long gives no sign of life."""
_COUNTED = ("messages", "malformed", "reconnects")

logger = logging.getLogger("ringside.engine")


class ChildHost:
    """One planned feed in a process of its own. Same use as `FeedHost`; its rings are the child's."""

    def __init__(self, plan: FeedPlan, engine_plan: EnginePlan) -> None:
        self.plan = plan
        self.ended = ""
        self.error: ConsoleError | None = None
        self.restarts = 0
        self._child_plan = attrs.evolve(
            engine_plan,
            instance=f"{engine_plan.instance}.{plan.provider}",
            ring_owner=engine_plan.instance,
            feeds=(plan,),
            host="child",
            persist=False,
            store=StorePlan(),
            cache=None,
            paper=None,
            alerts=None,
            metrics_port=None,
            stored_elsewhere=engine_plan.persist,
            split=False,
            read_only=False,
            until_end=bool(plan.recordings),
            duration_s=0.0,
        )
        self._child = ChildProcess("console.child", subject=self._venue(), heard=self._note_final)
        self._status: dict[str, Any] = {}
        self._retired: dict[str, dict[str, Any]] = {}
        self._was_connected: dict[str, Any] = {}
        self._lost = False
        self._connections: dict[str, dict[str, int]] = {}
        self._delays: dict[str, dict[str, Any]] = {}
        self._heard_ns = 0
        self._log = Repeater(self._child_plan.instance)
        self._earlier: list[Interval] = []
        self._intervals: list[Interval] = []
        self._heard_rows: object = None
        self._reason = "starting"

    def report(self) -> HostReport:
        """The child's own report as last heard, its counts summed over restarts."""
        found = self._status
        rows = self._connection_rows()
        alive = bool(self._child.pid)
        return {
            "connections": [
                row | self._counted(row)
                | {"restarts": self.restarts, "pid": self._child.pid, "ipc": self._has_producer(found)}
                | ({} if alive else self._down(row))
                for row in rows
            ],
            "latency": [found["latency"]] if "latency" in found else [],
            "delays": merged([self._delays, found.get("delays", {})]),
            "feeds": self._feed_rows(),
            "rings": found.get("rings", []),
            "intervals": interval_rows(self.intervals()),
            "log": [],
        }  # fmt: skip

    def _connection_rows(self) -> list[dict[str, Any]]:
        rows = self._status.get("connections")
        if not rows:
            return [connection_row(self._offline(), venue=self._venue(), restarts=0)]
        # A child learns only when it streams what its venue is called, and over how many connections.
        return rows if self._status.get("feeds") else [row | self._was_connected for row in rows]

    def _feed_rows(self) -> list[dict[str, Any]]:
        told = [self._summed(row) for row in self._status.get("feeds", [])]
        if self._lost:
            told = [unheard(row, self._reason) for row in told]
        return with_left(told, self._retired, self._reason)

    def _has_producer(self, found: Mapping[str, Any]) -> bool | None:
        # Nobody can say so of rings that are not there yet, or not any more.
        if not self._heard_ns and self.error is None:
            return None
        if not self._child.pid or monotonic_ns() - self._heard_ns >= BEATING_NS:
            return False
        return True if found.get("rings") else None

    def _counted(self, row: Mapping[str, Any]) -> dict[str, int]:
        earlier = self._connections.get(row["venue"], {})
        return {name: row[name] + earlier.get(name, 0) for name in _COUNTED}

    def _down(self, row: Mapping[str, Any]) -> dict[str, Any]:
        status = "error" if self.error else "disconnected"
        return {"status": status, "reason": self._reason, "legs": down_legs(row.get("legs", ()), self._reason)}

    def intervals(self) -> Sequence[Interval]:
        """What the streams of all its children did not bring, oldest first; the newest that were told."""
        rows = self._status.get("intervals", [])
        if rows is not self._heard_rows:
            self._heard_rows = rows
            self._intervals = (self._earlier + read_intervals(rows))[-SHOWN_INTERVALS:]
        return self._intervals

    def instruments(self) -> dict[str, Instrument]:
        """The instruments that the child streams, by symbol."""
        return {symbol: instrument for (_, symbol), instrument in told_instruments(self._status).items()}

    def stored_rings(self) -> Iterator[StoredRing]:
        """The rings of the child that can be stored from now. It waits until what is in them is, before it removes
        them."""
        return told_rings(self._status)

    def serves(self, venue: str) -> bool:
        """Whether this feed's venue goes by that name; every one does by the empty name."""
        return venue in {"", self.plan.provider.upper(), *(row["venue"] for row in self.report()["connections"])}

    async def subscribe(self, symbol: str) -> dict[str, Any]:
        """Have the child stream one more symbol. Raises `ConsoleError`."""
        return await ask(self._child_plan.instance, "subscribe", doing=f"subscribe {symbol}", symbol=symbol)

    async def unsubscribe(self, symbol: str) -> dict[str, Any]:
        """Have the child stop streaming a symbol. Raises `ConsoleError`."""
        return await ask(self._child_plan.instance, "unsubscribe", doing=f"unsubscribe {symbol}", symbol=symbol)

    def _offline(self) -> ConnectionState:
        return ConnectionState(self._venue(), ConnectionStatus.DISCONNECTED, self._reason, wall_ns())

    def _venue(self) -> str:
        return self.plan.provider.upper()

    def _summed(self, row: dict[str, Any]) -> dict[str, Any]:
        earlier = self._retired.get(row["symbol"])
        return row if earlier is None else row | {name: row[name] + earlier[name] for name in COUNTS}

    async def run(self) -> None:
        """Keep a child streaming until cancelled or until its stream ends for good.

        One that dies is restarted under the budget; what ended it for good is logged and kept in `error`.
        """
        budget = RestartBudget()
        while True:
            budget.begin()
            try:
                await self._child.run(encode_plan(self._child_plan), self._follow)
            except ConsoleError as error:
                self._lost = True
                delay_s = budget.delay_s(error)
                if delay_s is None:
                    self.error, self.ended, self._reason = error, str(error), str(error)
                    logger.error("the process for %s is given up: %s", self._venue(), error)
                    return
                self.restarts += 1
                self._reason = f"{error}; restarted in {delay_s:g} s"
                logger.warning("%s", self._reason)
                self._retire()
                await trio.sleep(delay_s)
            else:
                self.ended = self._reason = "end of recording" if self.plan.recordings else "ended by the venue"
                return

    def _retire(self) -> None:
        self._retired = {row["symbol"]: row for row in self._feed_rows()}
        self._earlier = list(self.intervals())
        self._delays = ended(merged([self._delays, self._status.get("delays", {})]))
        told = self._connection_rows() if self._status.get("connections") else []
        self._connections |= {row["venue"]: self._counted(row) for row in told}
        if told and self._status.get("feeds"):
            legs = down_legs(told[0].get("legs", ()), self._reason)
            self._was_connected = {"venue": told[0]["venue"], "legs": legs}
        left = [row | dict.fromkeys(_COUNTED, 0) for row in told]
        self._status = self._status | {"feeds": [], "intervals": [], "delays": {}, "connections": left}

    def _note_final(self, said: Said) -> None:
        final = last_object(said["stdout"]).get("report")
        if isinstance(final, dict):
            self._log.hear(final.pop("journal", {}))
            self._status = self._status | final

    async def _follow(self) -> None:
        client = ControlClient(control.socket_path(self._child_plan.instance), timeout_s=5.0)
        try:
            while True:
                try:
                    self._status = await trio.to_thread.run_sync(client.request, "status")
                    self._heard_ns, self._lost = monotonic_ns(), False
                    await trio.to_thread.run_sync(self._log.follow, client)
                except ControlError:
                    self._reason = "starting"
                await trio.sleep(POLL_S if self._status.get("rings") else STARTING_POLL_S)
        finally:
            client.close()
