"""Paper trading in the engine's own process."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from console import status
from console.paper.draining import drain
from console.paper.engine_rings import AwaitedRings
from console.paper.host import PaperHost
from console.paper.telling import PaperLog
from core.errors import TransientError
from core.sim.lines import ActKind
from core.sim.state import SessionHead

if TYPE_CHECKING:
    from console.paper.plan import PaperPlan
    from console.supervise import Engine


class PaperInside:
    """Runs a `PaperHost` in a nursery of an engine; as `console.paper.engine.Traders`."""

    def __init__(self, engine: Engine, plan: PaperPlan) -> None:
        self._engine = engine
        self._plan = plan
        self._host: PaperHost | None = None
        self._rings: AwaitedRings | None = None

    @property
    def pid(self) -> int:
        """That of the engine."""
        return os.getpid()

    async def run(self, began: Callable[[], None]) -> None:
        """Trade until cancelled. Raises `ConsoleError`."""
        engine = self._engine
        self._rings = rings = AwaitedRings(lambda: status.feeding(engine), engine.stored_rings)

        def note(_head: SessionHead, _notes: tuple[str, ...]) -> None:
            self._host = host
            began()

        host = PaperHost(self._plan, rings, hear=PaperLog().hear, began=note, cache=engine.cache)
        await host.run()

    async def drain(self) -> None:
        """Wait until everything that is in the rings was traded on."""
        if self._host is not None:
            await drain(self._host)

    def waits_for(self) -> list[str]:
        """The venues without which it does not begin."""
        return [] if self._rings is None else self._rings.waits_for

    def report(self) -> dict[str, Any]:
        """The host's; empty before it began."""
        return {} if self._host is None else self._host.report()

    async def accounts(self) -> dict[str, Any]:
        """The document of the desk. Raises `ConsoleError`."""
        return self._trading().document()

    async def act(self, act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
        """As `PaperHost.act`."""
        return self._trading().act(act, target, by=by, confirm=confirm)

    def final(self) -> dict[str, Any]:
        """The document of the desk as it is now."""
        return {} if self._host is None else self._host.document()

    def _trading(self) -> PaperHost:
        if self._host is None:
            raise TransientError("paper trading has not begun", self._plan.desk)
        return self._host
