"""Alerts for a program of one's own: the message as JSON on its input, no shell, none of our secrets.

It leads a session of its own, so that it and everything it started can be killed together when it takes too long.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
from contextlib import suppress
from typing import Final

import msgspec
import trio

from console.alerting.handlers.plan import HandlerPlan
from console.alerting.handlers.wording import document, plain
from core.alerts.message import Message
from core.errors import ConsoleError, PermanentError, TransientError

ENVIRONMENT: Final = (
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR",
    "DISPLAY", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
)  # fmt: skip
"""The variables that a program gets, where the engine has them: those of a login, and those of a desktop to show
something on. Nothing else is handed on, as it may be a key."""
MAX_OUTPUT_BYTES: Final = 4096
"""How much of the end of what it prints is kept for the log."""
NOT_AGAIN: Final = frozenset({64, 77, 78, 126, 127})
"""Exit codes after which a message is not tried again: used wrongly, not permitted, badly configured, not to be run,
not found."""
_GONE_S: Final = 5.0
_LAST_WORDS_S: Final = 0.2
_BUSY: Final = frozenset({errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.ETXTBSY})

logger = logging.getLogger("ringside.alerts")


class ProgramHandler:
    """Runs a program for each message, which says by ending with 0 that it is told."""

    def __init__(self, plan: HandlerPlan) -> None:
        self.plan = plan
        self.name = plan.name

    async def send(self, message: Message) -> None:
        """Run it to its end. What it prints is logged when it fails; whatever ends this kills it and all it started.

        Raises:
            TransientError: it failed.
            PermanentError: it cannot be run, or ended with one of `NOT_AGAIN`.
        """
        try:
            process = await trio.lowlevel.open_process(
                self.plan.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise self._not_started(error) from error
        printed, silent = bytearray(), trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell, process.stdin, msgspec.json.encode(document(message)) + b"\n")
                nursery.start_soon(_listen, process.stdout, printed, silent)
                await process.wait()
                with trio.move_on_after(_LAST_WORDS_S):
                    await silent.wait()
                nursery.cancel_scope.cancel()  # what it started may hold its output open
        finally:
            await self._end(process, printed)
        if process.returncode:
            raise self._failed(process.returncode, printed)

    async def aclose(self) -> None:
        """Nothing is held."""

    async def _end(self, process: trio.Process, printed: bytearray) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _GONE_S):
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # it leads a group of its own, and is not waited for yet
                await process.wait()
                self._log("was killed", printed)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    await stream.aclose()

    def _not_started(self, error: OSError | ValueError) -> ConsoleError:
        operation = f"telling {self.name}"
        if not isinstance(error, OSError):
            return PermanentError(operation, "its command holds characters that none can have")
        kind = TransientError if error.errno in _BUSY else PermanentError
        return kind(operation, f"the program cannot be started: {error.strerror}")

    def _failed(self, code: int, printed: bytearray) -> ConsoleError:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
        self._log(how, printed)
        kind = PermanentError if code in NOT_AGAIN else TransientError
        return kind(f"telling {self.name}", f"the program {how}", hint="what it printed is in the log")

    def _log(self, how: str, printed: bytearray) -> None:
        lines = [line.strip() for line in printed.decode("utf-8", "replace").splitlines()]
        said = plain(" | ".join(line for line in lines if line)[-400:], 400)
        logger.warning("the program of %s %s: %s", self.name, how, said or "it printed nothing")


async def _tell(stdin: trio.abc.SendStream | None, told: bytes) -> None:
    assert stdin is not None
    with suppress(trio.BrokenResourceError):  # it does not care for it
        await stdin.send_all(told)
    await stdin.aclose()


async def _listen(stdout: trio.abc.ReceiveStream | None, printed: bytearray, silent: trio.Event) -> None:
    assert stdout is not None
    async for chunk in stdout:
        printed += chunk
        del printed[:-MAX_OUTPUT_BYTES]
    silent.set()
