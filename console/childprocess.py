"""A process of the engine's own: started with a plan on its input, listened to, asked to end by closing that input.

What it says last on its output is one JSON object: {"report": …}, or {"error": …} with what ended it.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Awaitable, Callable
from typing import Any, Final

import trio

from core.errors import ConsoleError, PermanentError, TransientError

LEAVE_S: Final = 20.0
MAX_ERROR_TEXT: Final = 4000

Said = dict[str, bytes]
"""What a process wrote to `stdout` and `stderr`."""

logger = logging.getLogger("ringside.engine")


class ChildError(PermanentError):
    """What ended a child for good, with the exit code it ended with."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error["operation"]), str(error["subject"]), hint=str(error["hint"]))
        self.category = str(error["category"])  # type: ignore[misc]
        self.exit_code = int(error["exit_code"])  # type: ignore[misc]


def told_error(error: ConsoleError) -> dict[str, Any]:
    """An error as a child says it on its output."""
    return {
        "operation": error.operation,
        "subject": error.subject,
        "hint": error.hint,
        "category": error.category,
        "exit_code": error.exit_code,
        "retryable": error.retryable,
    }


class ChildProcess:
    """Runs `python -m MODULE` as often as it is asked to, one at a time. `pid` is 0 while none runs; `subject` says
    in words what it is for; `heard` gets all that one said when it has ended, however it did."""

    def __init__(self, module: str, *, subject: str, heard: Callable[[Said], None]) -> None:
        self.pid = 0
        self._module = module
        self._subject = subject
        self._heard = heard

    async def run(self, plan: bytes, beside: Callable[[], Awaitable[object]]) -> None:
        """Start one with the line `plan` on its input and wait until it ends; `beside` runs meanwhile. When this is
        cancelled, or `beside` raises, it is asked to stop, and killed if it does not within `LEAVE_S`.

        Raises:
            ChildError: it ended for good, and why.
            TransientError: it died.
        """
        process = await trio.lowlevel.open_process(
            [sys.executable, "-m", self._module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        said: Said = {"stdout": b"", "stderr": b""}
        self.pid = process.pid
        try:
            async with trio.open_nursery() as nursery:
                for name, stream in (("stdout", process.stdout), ("stderr", process.stderr)):
                    nursery.start_soon(_collect, stream, name, said)
                await _tell(process.stdin, plan)
                nursery.start_soon(beside)
                await process.wait()
                nursery.cancel_scope.cancel()
        finally:
            await self._end(process, said)
        self._conclude(process.returncode, said)

    async def _end(self, process: trio.Process, said: Said) -> None:
        # Closing its input asks the child to stop; what it says on the way out are its final counts.
        assert process.stdin is not None
        with trio.CancelScope(shield=True, deadline=trio.current_time() + LEAVE_S):
            await process.stdin.aclose()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_collect, process.stdout, "stdout", said)
                await process.wait()
        if process.returncode is None:
            process.kill()
            logger.error("the process for %s did not stop and was killed", self._subject)
        self.pid = 0
        with trio.CancelScope(shield=True):
            await process.wait()
            for stream in (process.stdout, process.stderr):
                if stream is not None:
                    await stream.aclose()
        self._heard(said)

    def _conclude(self, code: int | None, said: Said) -> None:
        error = last_object(said["stdout"]).get("error")
        if isinstance(error, dict) and not error.get("retryable"):
            raise ChildError(error)
        if code == 0:
            return
        detail = str(error["subject"]) if isinstance(error, dict) else _last_line(said["stderr"])
        how = f"was killed by signal {-code}" if code is not None and code < 0 else f"ended with {code}"
        raise TransientError(f"the process for {self._subject} {how}", detail or "without a word")


async def _tell(stdin: trio.abc.SendStream, plan: bytes) -> None:
    try:
        await stdin.send_all(plan)
    except trio.BrokenResourceError:
        return  # it has died, which is said where it is waited for


async def _collect(stream: trio.abc.ReceiveStream | None, name: str, said: Said) -> None:
    assert stream is not None
    try:
        async for chunk in stream:
            said[name] += chunk
            if name == "stderr":
                said[name] = said[name][-MAX_ERROR_TEXT:]
    except trio.ClosedResourceError:
        return


def last_object(output: bytes) -> dict[str, Any]:
    """The JSON object on the last line that a process wrote; an empty one when there is none."""
    lines = output.strip().splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _last_line(output: bytes) -> str:
    # Of a traceback, which of a group is drawn as a tree, the line that says what it was.
    lines = (line.strip(" |+-") for line in output.decode("utf-8", "replace").splitlines())
    return next((line for line in reversed(list(lines)) if line), "")[:200]
