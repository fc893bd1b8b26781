"""A feed in a process of its own: `python -m console.child`, started by `console.childhost` and by nobody else.

Reads its plan as one line of JSON from standard input and streams until that input is closed, which also happens when
the parent dies. Ends with one line of JSON on standard output: the final report, or the error that ended it.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

import trio

from console.journal import closing_journal, open_journal
from console.plan import decode_plan
from console.supervise import Engine
from core.errors import ConsoleError, single_error


def main() -> int:
    """Run the plan on standard input; the exit code is that of the error, or 0."""
    # Terminals and `timeout` signal the whole group; when a child stops is for its parent to say.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    plan = decode_plan(sys.stdin.buffer.readline())
    with closing_journal():
        engine = Engine(plan, open_journal(None, to_stderr=False))
        try:
            trio.run(_run, engine)
        except ConsoleError as error:
            _say({"error": {"operation": error.operation, "subject": error.subject, "hint": error.hint,
                            "category": error.category, "exit_code": error.exit_code,
                            "retryable": error.retryable}})  # fmt: skip
            return error.exit_code
    _say({"report": engine.final_report})
    return 0


def _say(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")


async def _run(engine: Engine) -> None:
    with single_error():
        async with trio.open_nursery() as nursery:

            async def stop_with_the_parent() -> None:
                async with trio.lowlevel.FdStream(sys.stdin.fileno()) as parent:
                    await parent.receive_some(1)
                engine.stop()

            nursery.start_soon(stop_with_the_parent)
            await engine.run()
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    sys.exit(main())
