"""Paper trading in a process of its own: `python -m console.paper.child`, started by `console.paper.childhost`.

It finds the rings through the control channel of the engine, and answers on one of its own. A strategy may take so
much time and memory here, and nobody else's.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import trio

from console.asking import ask
from console.childprogram import last_word, run_program
from console.control_server import Operation, serve_control
from console.instance_lock import instance_lock, ring_directory
from console.journal import Journal
from console.operations import refuse_changes
from console.paper.draining import drain
from console.paper.engine_rings import AwaitedRings
from console.paper.host import PaperHost
from console.paper.memory import limit_memory
from console.paper.operations import paper_operations
from console.paper.telling import PaperLog
from console.plan import EnginePlan
from console.stores import opened_cache
from console.told_rings import told_rings
from core.errors import ConsoleError
from core.sim.lines import ActKind
from core.sim.state import SessionHead
from ringbuf import control

if TYPE_CHECKING:
    from core.store.cache.tiered import TieredCache

STARTING_POLL_S: Final = 0.1
POLL_S: Final = 1.0


async def trade(plan: EnginePlan, journal: Journal, leave: trio.Event) -> dict[str, Any]:
    """Trade until it shall leave; what came of it. Raises `ConsoleError`."""
    with instance_lock(ring_directory(), plan.instance), opened_cache(plan.cache) as cache:
        desk = _Desk(plan, journal, cache)
        async with trio.open_nursery() as nursery:
            await nursery.start(serve_control, control.socket_path(plan.instance), desk.operations())
            nursery.start_soon(desk.rings.follow)
            async with trio.open_nursery() as traders:
                traders.start_soon(desk.host.run)
                await leave.wait()
                await drain(desk.host)
                traders.cancel_scope.cancel()
            nursery.cancel_scope.cancel()
    return desk.report() | {"accounts": desk.host.document() if desk.began else {}}


class _Desk:
    # The host, and what is told of it.

    def __init__(self, plan: EnginePlan, journal: Journal, cache: TieredCache | None) -> None:
        assert plan.paper is not None
        self.began = False
        self.rings = _EngineRings(plan.ring_owner)
        self.host = PaperHost(
            plan.paper,
            self.rings.awaited,
            hear=PaperLog().hear,
            began=self._note,
            cache=cache,
            last_resort=last_word,
        )
        self._plan, self._paper, self._journal = plan, plan.paper, journal

    def _note(self, _head: SessionHead, _notes: tuple[str, ...]) -> None:
        if not self.began:
            self.began = True
            limit_memory(self._paper.memory_mb)

    def report(self) -> dict[str, Any]:
        return {
            "trading": self.began,
            "waits_for": self.rings.awaited.waits_for,
            "report": self.host.report() if self.began else {},
            "journal": self._journal.newest(),
        }

    def operations(self) -> dict[str, Operation]:
        async def describe(_request: dict[str, Any]) -> dict[str, Any]:
            return self.report()

        async def accounts() -> dict[str, Any]:
            return self.host.document()

        async def act(act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
            return self.host.act(act, target, by=by, confirm=confirm)

        offered = {"status": describe} | paper_operations(accounts, act)
        return refuse_changes(offered) if self._plan.read_only else offered


class _EngineRings:
    # What an engine streams, as it told last.

    def __init__(self, instance: str) -> None:
        self.awaited = AwaitedRings(lambda: self._status, lambda: told_rings(self._status))
        self._instance = instance
        self._status: dict[str, Any] = {}

    async def follow(self) -> None:
        while True:
            # One that is too busy to answer streams what it streamed; when it is gone we are told to leave.
            with suppress(ConsoleError):
                self._status = await ask(self._instance, "status")
            await trio.sleep(STARTING_POLL_S if self.awaited.waits_for else POLL_S)


if __name__ == "__main__":
    sys.exit(run_program(trade))
