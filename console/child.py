"""A feed in a process of its own: `python -m console.child`, started by `console.childhost` and by nobody else."""

from __future__ import annotations

import sys
from typing import Any

import trio

from console.childprogram import run_program
from console.journal import Journal
from console.plan import EnginePlan
from console.supervise import Engine


async def stream(plan: EnginePlan, journal: Journal, leave: trio.Event) -> dict[str, Any]:
    """Run an engine until its stream ends or it shall leave; its final report. Raises `ConsoleError`."""
    engine = Engine(plan, journal)

    async def stop() -> None:
        await leave.wait()
        engine.stop()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stop)
        await engine.run()
        nursery.cancel_scope.cancel()
    return engine.final_report


if __name__ == "__main__":
    sys.exit(run_program(stream))
