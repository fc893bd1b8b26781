"""Paper trading as a service of an engine: begun when the feeds have rings, restarted, ended after the feeds.

Strategies of ours trade in the engine's own process, unless it is split; those of a user's file in one of their own.
Whatever happens here, the feeds never notice.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

import trio

from console.paper.childhost import PaperChild
from console.paper.inside import PaperInside
from console.paper.on_disk import document_on_disk
from console.paper.rings import READER_NAME
from console.restarts import RestartBudget
from core.clock import NS_PER_S, wall_ns
from core.errors import ConsoleError, PermanentError, TransientError, single_error
from core.sim.lines import ActKind

if TYPE_CHECKING:
    from console.paper.plan import PaperPlan
    from console.supervise import Engine

BEGINNING_NS: Final = 60 * NS_PER_S
"""What cannot begin within so long of the engine's own beginning is an error of whoever began it."""

State = Literal["starting", "trading", "failed", "off"]

logger = logging.getLogger("ringside.paper")


class Traders(Protocol):
    """Those who trade, in this process or in one of their own. `pid` is 0 while there are none."""

    @property
    def pid(self) -> int:
        """The process in which they are."""

    async def run(self, began: Callable[[], None]) -> None:
        """Trade until cancelled; `began` is called once they do. Raises `ConsoleError`."""

    async def drain(self) -> None:
        """Wait until everything that is in the rings was traded on."""

    def waits_for(self) -> list[str]:
        """The venues without which they do not begin."""

    def report(self) -> dict[str, Any]:
        """As `PaperHost.report`; empty while nothing is known."""

    async def accounts(self) -> dict[str, Any]:
        """The document of the desk. Raises `ConsoleError`."""

    async def act(self, act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
        """As `PaperHost.act`."""

    def final(self) -> dict[str, Any]:
        """The document of the desk as it was when they ended; empty when nothing is known of that."""


class PaperService:
    """Paper trading of one engine. `refused` is why it could not begin, when that is known at the engine's own
    beginning: the engine is then asked to stop."""

    def __init__(self, engine: Engine, plan: PaperPlan) -> None:
        self.state: State = "starting"
        self.reason = ""
        self.restarts = 0
        self.refused: ConsoleError | None = None
        self._engine = engine
        self._plan = plan
        self._began = False
        self._stop = trio.Event()
        self._traders: Traders = PaperChild(engine.plan) if plan.isolated else PaperInside(engine, plan)

    def stop(self) -> None:
        """Take what is in the rings, write it down, and end."""
        self._stop.set()

    def keeps_up(self) -> bool:
        """Whether a recording may play on: they trade, and no ring is more than half full of what they have not seen.
        One is not held back for ever by those who do not begin."""
        if self.state == "starting":
            return wall_ns() - self._engine.started_ns > BEGINNING_NS
        assert self._engine.publisher is not None
        return self.state != "trading" or self._engine.publisher.lag_of(READER_NAME) < 0.5

    async def run(self) -> None:
        """Trade until stopped. What fails for good is shown, and raised by nobody."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_running)
            await self._stop.wait()
            await self._traders.drain()
            nursery.cancel_scope.cancel()
        if self.state != "failed":
            self.state, self.reason = "off", "the engine stops"

    async def _keep_running(self) -> None:
        budget = RestartBudget()
        while True:
            budget.begin()
            try:
                with single_error():
                    await self._traders.run(self._note_began)
                raise TransientError("paper trading ended", "by itself")
            except ConsoleError as error:
                delay_s = budget.delay_s(error)
                if delay_s is None:
                    self._fail(error)
                    return
                self.restarts += 1
                self.state, self.reason = "starting", f"{error}; restarted in {delay_s:g} s"
                logger.warning("%s", self.reason)
                await trio.sleep(delay_s)

    def _note_began(self) -> None:
        self.state, self.reason, self._began = "trading", "", True
        report = self._traders.report()
        logger.info("trading on paper: desk %s, session %s", self._plan.desk, report.get("session", "?"))

    def _fail(self, error: ConsoleError) -> None:
        self.state, self.reason = "failed", str(error)
        logger.error("paper trading is given up: %s", error)
        beginning = wall_ns() - self._engine.started_ns < BEGINNING_NS
        if not self._began and beginning and isinstance(error, PermanentError):
            self.refused = error
            self._engine.stop()

    async def accounts(self) -> dict[str, Any]:
        """The document of the desk: of now while somebody trades, else as it is on disk. Raises `ConsoleError`."""
        if self.state == "trading":
            return await self._traders.accounts()
        plan = self._plan
        return await trio.to_thread.run_sync(document_on_disk, plan.state_directory, plan.desk, "latest")

    async def act(self, act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
        """Do what an operator wants. Raises `ConsoleError`."""
        if self.state != "trading":
            raise TransientError(f"paper trading is {self.state}", self.reason or act)
        return await self._traders.act(act, target, by=by, confirm=confirm)

    def describe(self) -> dict[str, Any]:
        """What the status shows of it."""
        report = self._traders.report()
        return {
            "enabled": True,
            "state": self.state,
            "reason": self.reason or self._waiting() or report.get("problem", ""),
            "desk": self._plan.desk,
            "session": report.get("session", ""),
            "strategies": report.get("strategies", len(self._plan.runs)),
            "stopped": report.get("stopped", 0),
            "halted": report.get("halted", []),
            "worth": report.get("worth", []),
            "delays": report.get("delays", {}),
            "restarts": self.restarts,
            "pid": self._traders.pid,
        }

    def _waiting(self) -> str:
        if self.state != "starting":
            return ""
        names = [venue for venue in self._traders.waits_for() if venue]
        return f"waiting for {', '.join(names) or 'what is streamed'}"

    def summary(self) -> dict[str, Any]:
        """What came of it, for the end of the engine."""
        found = self._traders.final()
        strategies = found.get("strategies", [])
        return {
            "desk": self._plan.desk,
            "session": found.get("session", ""),
            "state": self.state,
            "reason": self.reason,
            "restarts": self.restarts,
            **{name: sum(row[name] for row in strategies) for name in ("signals", "orders", "fills")},
            "stopped": sorted({row["label"] for row in strategies if row["state"] == "stopped"}),
            "accounts": [
                {name: row[name] for name in ("id", "currency", "equity", "realised", "fees")}
                for row in found.get("accounts", [])
            ],
        }
