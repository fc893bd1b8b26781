"""Runs one feed in a child process: starts it, follows its status, restarts it under a budget, ends it with us."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import trio

from console.intervals import SHOWN_INTERVALS, interval_rows, read_intervals
from console.plan import EnginePlan, FeedPlan, StorePlan, encode_plan
from console.refusals import as_told
from console.restarts import RestartBudget
from console.status import COUNTS, HostReport, connection_row
from console.storage import StoredRing
from core.clock import wall_ns
from core.errors import ConsoleError, PermanentError, TransientError
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from core.store.repository import SeriesKey
from providers.base import Interval
from providers.connection import ConnectionState, ConnectionStatus
from ringbuf import control
from ringbuf.control import ControlClient, ControlError

STARTING_POLL_S = 0.1
POLL_S = 1.0  # a status takes a child with forty symbols 3 ms, in which it receives nothing
LEAVE_S = 20.0
MAX_ERROR_TEXT = 4000

logger = logging.getLogger("ringside.engine")


class ChildError(PermanentError):
    """What ended a child for good, with the exit code it ended with."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["operation"]), str(error["subject"]), hint=str(error["hint"]))
        self.category = str(error["category"])  # type: ignore[misc]
        self.exit_code = int(error["exit_code"])  # type: ignore[misc]


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
            stored_elsewhere=engine_plan.persist,
            split=False,
            read_only=False,
            until_end=bool(plan.recordings),
            duration_s=0.0,
        )
        self._pid = 0
        self._status: dict[str, Any] = {}
        self._retired: dict[str, dict[str, Any]] = {}
        self._earlier: list[Interval] = []
        self._intervals: list[Interval] = []
        self._heard_rows: object = None
        self._reason = "starting"

    def report(self) -> HostReport:
        """The child's own report as last heard, its counts summed over restarts."""
        found = self._status
        rows = found.get("connections") or [connection_row(self._offline(), venue=self._venue(), restarts=0)]
        alive = bool(self._pid)
        return {
            "connections": [
                row | {"restarts": self.restarts, "pid": self._pid}
                | ({} if alive else self._down())
                for row in rows
            ],
            "latency": [found["latency"]] if "latency" in found else [],
            "feeds": [self._summed(row) for row in found.get("feeds", [])],
            "rings": found.get("rings", []),
            "intervals": interval_rows(self.intervals()),
            "log": found.get("log", []),
        }  # fmt: skip

    def _down(self) -> dict[str, Any]:
        return {"status": "error" if self.error else "disconnected", "reason": self._reason, "legs": []}

    def intervals(self) -> Sequence[Interval]:
        """What the streams of all its children did not bring, oldest first; the newest that were told."""
        rows = self._status.get("intervals", [])
        if rows is not self._heard_rows:
            self._heard_rows = rows
            self._intervals = (self._earlier + read_intervals(rows))[-SHOWN_INTERVALS:]
        return self._intervals

    def instruments(self) -> dict[str, Instrument]:
        """The instruments that the child streams, by symbol."""
        names = [field.name for field in attrs.fields(Instrument)]
        found = {}
        for row in self._status.get("feeds", []):
            fields = {name: row[name] for name in names} | {"product": Product(row["product"])}
            found[row["symbol"]] = Instrument(**fields)
        return found

    def stored_rings(self) -> Iterator[StoredRing]:
        """The rings of the child that can be stored from now."""
        instruments = self.instruments()
        for row in self._status.get("rings", []):
            path, instrument = Path(row["path"]), instruments.get(row["symbol"])
            try:
                inode = path.stat().st_ino
            except OSError:
                continue  # removed by the child, which waited until what was in it was stored
            if instrument is not None:
                series = SeriesKey(row["venue"], row["symbol"], Schema(row["schema"]))
                yield StoredRing(path, inode, series, instrument)

    def serves(self, venue: str) -> bool:
        """Whether this feed's venue goes by that name; every one does by the empty name."""
        return venue in {"", self.plan.provider.upper(), *(row["venue"] for row in self.report()["connections"])}

    async def subscribe(self, symbol: str) -> dict[str, Any]:
        """Have the child stream one more symbol. Raises `ConsoleError`."""
        return await self._ask("subscribe", symbol)

    async def unsubscribe(self, symbol: str) -> dict[str, Any]:
        """Have the child stop streaming a symbol. Raises `ConsoleError`."""
        return await self._ask("unsubscribe", symbol)

    async def _ask(self, operation: str, symbol: str) -> dict[str, Any]:
        client = ControlClient(control.socket_path(self._child_plan.instance), timeout_s=10.0)
        try:
            return await trio.to_thread.run_sync(lambda: client.request(operation, symbol=symbol))
        except ControlError as error:
            raise as_told(error, operation=f"{operation} {symbol}") from error
        finally:
            client.close()

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
                await self._run_once()
            except ConsoleError as error:
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
        self._retired = {row["symbol"]: self._summed(row) for row in self._status.get("feeds", [])}
        self._earlier = list(self.intervals())
        self._status = self._status | {"feeds": [], "intervals": []}

    async def _run_once(self) -> None:
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", "console.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        said: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self._pid = process.pid
        try:
            async with trio.open_nursery() as nursery:
                for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
                    nursery.start_soon(_collect, stream, name, said)
                await process.stdin.send_all(encode_plan(self._child_plan))
                nursery.start_soon(self._follow, nursery.cancel_scope)
                await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            await self._end(process, said)
        self._conclude(process.returncode, said)

    async def _end(self, process: trio.Process, said: dict[str, bytes]) -> None:
        # Closing its input asks the child to stop; what it says on the way out are its final counts.
        assert process.stdin is not None
        with trio.CancelScope(shield=True, deadline=trio.current_time() + LEAVE_S):
            await process.stdin.aclose()
            if process.returncode is None:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_collect, process.stdout, "stdout", said)
                    await process.wait()
        if process.returncode is None:
            process.kill()
            logger.error("the process for %s did not stop and was killed", self._venue())
        self._pid = 0
        with trio.CancelScope(shield=True):
            await process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    await stream.aclose()
        self._note_final(said)

    def _note_final(self, said: dict[str, bytes]) -> None:
        final = _last_object(said["stdout"]).get("report")
        if isinstance(final, dict):
            self._status = self._status | final

    async def _follow(self, scope: trio.CancelScope) -> None:
        client = ControlClient(control.socket_path(self._child_plan.instance), timeout_s=5.0)
        try:
            while not scope.cancel_called:
                try:
                    self._status = await trio.to_thread.run_sync(client.request, "status")
                except ControlError:
                    self._reason = "starting"
                await trio.sleep(POLL_S if self._status.get("rings") else STARTING_POLL_S)
        finally:
            client.close()

    def _conclude(self, code: int | None, said: dict[str, bytes]) -> None:
        error = _last_object(said["stdout"]).get("error")
        if isinstance(error, dict) and not error.get("retryable"):
            raise ChildError(error)
        if code == 0:
            return
        detail = str(error["subject"]) if isinstance(error, dict) else _last_line(said["stderr"])
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        raise TransientError(f"the process for {self._venue()} {how}", detail or "without a word")


async def _collect(stream: trio.abc.ReceiveStream | None, name: str, said: dict[str, bytes]) -> None:
    assert stream is not None
    try:
        async for chunk in stream:
            said[name] += chunk
            if name == "stderr":
                said[name] = said[name][-MAX_ERROR_TEXT:]
    except trio.ClosedResourceError:
        return


def _last_object(output: bytes) -> dict[str, Any]:
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last_line(output: bytes) -> str:
    lines = output.decode("utf-8", "replace").strip().splitlines()
    return lines[-1][:200] if lines else ""
