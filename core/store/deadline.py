"""Letting go of files on a disk that may hang: the wait ends, the work is left to a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from core.errors import TransientError

CLOSE_TIMEOUT_S: Final = 5.0


def within(timeout_s: float, work: Callable[[], None], *, operation: str, path: Path) -> None:
    """Do `work`, which waits for the disk at `path`, in a thread that keeps no process alive.

    Raises what `work` raises, or:
        TransientError: it takes longer than `timeout_s`; it goes on, as long as the process does.
    """
    done: Future[None] = Future()

    def run() -> None:
        try:
            work()
            done.set_result(None)
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            done.set_exception(error)

    threading.Thread(target=run, name=operation, daemon=True).start()
    try:
        done.result(timeout_s)
    except TimeoutError:
        hint = "what was stored last may be missing"
        raise TransientError(operation, f"{path}: no answer within {timeout_s:g} s", hint=hint) from None
