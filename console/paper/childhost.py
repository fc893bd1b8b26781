"""Paper trading in a process of its own, for an engine: started, asked, followed, ended with us."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs
import trio

from console.asking import ask
from console.childprocess import ChildProcess, Said, last_object
from console.journal_link import Repeater
from console.plan import EnginePlan, StorePlan, encode_plan
from core.errors import ConsoleError, TransientError
from core.sim.lines import ActKind

STARTING_POLL_S: Final = 0.1
POLL_S: Final = 0.5
UNANSWERED_S: Final = 60.0
"""A child that answers nothing for so long is replaced: a strategy in it keeps the interpreter for itself."""


def paper_instance(instance: str) -> str:
    """Where the process answers that trades for an engine."""
    return f"{instance}.paper"


class PaperChild:
    """Runs `console.paper.child`; as `console.paper.engine.Traders`."""

    def __init__(self, plan: EnginePlan) -> None:
        cache = plan.cache if plan.cache is not None and plan.cache.redis_url else None
        self._plan = attrs.evolve(
            plan,
            instance=paper_instance(plan.instance),
            ring_owner=plan.instance,
            host="child",
            store=StorePlan(),
            cache=cache,  # what the engine has in memory cannot be read from another process
            persist=False,
            alerts=None,
            metrics_port=None,
            split=False,
            until_end=False,
            duration_s=0.0,
        )
        self._child = ChildProcess("console.paper.child", subject="paper trading", heard=self._hear_final)
        self._report: dict[str, Any] = {}
        self._final: dict[str, Any] = {}
        self._waits_for: list[str] = []
        self._log = Repeater(self._plan.instance)

    @property
    def pid(self) -> int:
        """That of the child, 0 while there is none."""
        return self._child.pid

    async def run(self, began: Callable[[], None]) -> None:
        """Have it trade until cancelled. Raises `ConsoleError`."""
        await self._child.run(encode_plan(self._plan), partial(self._follow, began))

    async def _follow(self, began: Callable[[], None]) -> None:
        trading, answered_s = False, trio.current_time()
        while True:
            await trio.sleep(POLL_S if trading else STARTING_POLL_S)
            try:
                answer = await ask(self._plan.instance, "status")
            except ConsoleError as error:  # it has not begun to listen, or is busy; that it died is seen elsewhere
                if trio.current_time() - answered_s > UNANSWERED_S:
                    raise TransientError("the process for paper trading hangs", str(error)) from error
                continue
            answered_s = trio.current_time()
            self._hear(answer)
            if answer["trading"] and not trading:
                trading = True
                began()

    async def drain(self) -> None:
        """Nothing is to be waited for: the child does that, when it is asked to end."""

    def waits_for(self) -> list[str]:
        """The venues without which it does not begin, as it told last."""
        return self._waits_for

    def _hear(self, answer: dict[str, Any]) -> None:
        # One that does not trade yet tells of no account: those of the one before are still there.
        accounts = {"worth": self._report["worth"]} if "worth" in self._report else {}
        self._report, self._waits_for = accounts | answer["report"], answer["waits_for"]
        self._log.hear(answer["journal"])

    def _hear_final(self, said: Said) -> None:
        found = last_object(said["stdout"]).get("report")
        if isinstance(found, dict):
            self._final = found["accounts"]
            self._hear(found)

    def report(self) -> dict[str, Any]:
        """What it told last."""
        return self._report

    async def accounts(self) -> dict[str, Any]:
        """The document of the desk. Raises `ConsoleError`."""
        return await ask(self._plan.instance, "accounts")

    async def act(self, act: ActKind, target: str, *, by: str, confirm: str) -> dict[str, Any]:
        """Have it do what an operator wants; `by` is what it says of all who ask. Raises `ConsoleError`."""
        del by
        return await ask(self._plan.instance, act, target=target, confirm=confirm)

    def final(self) -> dict[str, Any]:
        """The document of the desk that the last child left."""
        return self._final
