"""The figures of one engine: measured when somebody asks, for Prometheus, the control channel and whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import trio

from console import status
from console.metrics.collect import collect
from console.metrics.facts import FactsReader
from console.metrics.lasting import Lasting
from core.clock import monotonic_ns, wall_ns
from core.flow.printable import printable
from core.telemetry.frame import Column, Frame

if TYPE_CHECKING:
    from console.supervise import Engine

LOOK_S: Final = 1.0

MoreColumns = Callable[[], Mapping[str, Column]]


class Metrics:
    """The figures of `engine`. Each of `extra` adds columns to every frame, by the names of their series."""

    def __init__(self, engine: Engine) -> None:
        self._lasting = Lasting(monotonic_ns)
        self.extra: list[MoreColumns] = [self._lasting.columns]
        self._engine = engine
        self._facts = FactsReader(engine.plan)

    async def run(self) -> None:
        """Look once a second at what may last, until cancelled."""
        while True:
            reports = [host.report() for host in self._engine.hosts]
            self._lasting.look(
                (row for report in reports for row in report["connections"]),
                (row for report in reports for row in report["feeds"]),
            )
            await trio.sleep(LOOK_S)

    async def frame(self) -> Frame:
        """All series as they are now."""
        facts = await self._facts()
        now_ns = wall_ns()
        more = {name: column for each in self.extra for name, column in each().items()}
        return collect(status.status(self._engine), facts, now_ns=now_ns, version=program_version(), extra=more)

    def problem(self) -> str:
        """Why the engine is not healthy, in one line; empty when it is."""
        return problem_of(status.brief(self._engine))


@cache
def program_version() -> str:
    """The version of this program; empty where it is not installed."""
    try:
        return version("ringside")
    except PackageNotFoundError:
        return ""


def problem_of(brief: Mapping[str, Any]) -> str:
    """Why an engine that says so of itself is not healthy, in one line; empty for one that runs, stores what it is to
    store and is connected to a venue."""
    if brief["state"] != "running":
        return f"the engine is {brief['state']}"
    if brief["store_problem"]:
        return printable(f"storing fails: {brief['store_problem']}", 300)
    connections = brief["connections"]
    if any(row["status"] == "connected" for row in connections):
        return ""
    told = "; ".join(
        f"{row['venue']} {row['status']}{': ' if row['reason'] else ''}{row['reason']}" for row in connections
    )
    return printable(f"no venue is connected: {told or 'none is asked for yet'}", 300)
