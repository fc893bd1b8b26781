"""The other side of `console.childprocess`: what every process that an engine starts does, around its own work.

It reads its plan as one line from standard input and works until that input is closed, which also happens when the
parent dies. What it says last on its output is one JSON object: its report, or the error that ended it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import trio

from config.paths import find_paths
from console.childprocess import told_error
from console.journal import Journal, closing_journal, flush_journal, open_journal
from console.plan import EnginePlan, decode_plan
from core.errors import ConsoleError, single_error

Program = Callable[[EnginePlan, Journal, trio.Event], Awaitable[dict[str, Any]]]
"""Does what the plan says until the event is set, which is when the parent wants it to end; gives its report."""


def run_program(program: Program) -> int:
    """Run `program` with the plan on standard input; the exit code is that of the error, or 0."""
    # Terminals and `timeout` signal the whole group; when a child stops is for its parent to say.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    sys.stdout = sys.stderr  # nobody reads what is printed but the last words
    plan = decode_plan(sys.stdin.buffer.readline())
    with closing_journal():
        journal = open_journal(find_paths().logs, to_stderr=False, log=plan.log, instance=plan.instance)
        try:
            report = trio.run(_run, program, plan, journal)
        except ConsoleError as error:
            _say({"error": told_error(error)})
            return error.exit_code
    _say({"report": report})
    return 0


def last_word(error: ConsoleError) -> NoReturn:
    """End this process at once, wherever it is, with an error for its last word."""
    _say({"error": told_error(error)})
    flush_journal()
    os._exit(error.exit_code)


def _say(message: dict[str, Any]) -> None:
    # On a line of its own, whatever else wrote to this output before.
    line = memoryview(b"\n" + json.dumps(message).encode() + b"\n")
    while line:
        line = line[os.write(1, line) :]


async def _run(program: Program, plan: EnginePlan, journal: Journal) -> dict[str, Any]:
    leave = trio.Event()

    async def hear_the_parent() -> None:
        async with trio.lowlevel.FdStream(sys.stdin.fileno()) as parent:
            await parent.receive_some(1)
        leave.set()

    with single_error():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear_the_parent)
            report = await program(plan, journal, leave)
            nursery.cancel_scope.cancel()
    return report
