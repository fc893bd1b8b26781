"""Asks another process of ours something over its control channel, while the event loop goes on."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import trio

from console.refusals import as_told
from ringbuf import control
from ringbuf.control import ControlClient, ControlError

ANSWER_S: Final = 10.0


async def ask(instance: str, operation: str, *, doing: str = "", **asked: Any) -> dict[str, Any]:
    """The answer of the process that is called `instance`; `doing` says in words what for.

    Raises:
        ConsoleError: it does not answer, or refused.
    """
    client = ControlClient(control.socket_path(instance), timeout_s=ANSWER_S)
    try:
        return await trio.to_thread.run_sync(partial(client.request, operation, **asked))
    except ControlError as error:
        raise as_told(error, operation=doing or operation) from error
    finally:
        client.close()
