"""Runs what asks venues on an event loop of its own, for commands: quietly, and left by one interruption."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import TypeVar

from console.batch.output import talk

T = TypeVar("T")


def run_quietly(work: Callable[[], Awaitable[T]], *, stopped: str = "") -> T:
    """What `work` returns; an interruption comes out as one, from wherever, and then `stopped` is said.

    Raises:
        KeyboardInterrupt: it was left.
    """
    import trio

    try:
        with _quiet():
            return trio.run(work, restrict_keyboard_interrupt_to_checkpoints=True)
    except (KeyboardInterrupt, BaseExceptionGroup) as error:
        if isinstance(error, BaseExceptionGroup) and error.subgroup(KeyboardInterrupt) is None:
            raise
        if stopped:
            talk(stopped)
        raise KeyboardInterrupt from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Say nothing of what the log is told: errors are told once, and without a journal each would be lines here."""
    logger, nowhere = logging.getLogger("ringside"), logging.NullHandler()
    logger.addHandler(nowhere)
    try:
        yield
    finally:
        logger.removeHandler(nowhere)
