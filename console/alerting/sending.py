"""Send one message to one who hears: each attempt within its time, again after a growing pause when that may help."""

from __future__ import annotations

import logging
import random
import traceback
from collections.abc import Callable
from itertools import islice
from typing import Final

import trio

from console.alerting.handlers.base import Handler
from core.alerts.message import Message
from core.errors import ConsoleError, PermanentError, ResourceExhaustedError, TransientError
from providers.venue.backoff import backoff_delays

FIRST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 15.0
LONGEST_ASKED_S: Final = 30.0
"""A wait that the other side asks for up to which a message is held in hand; a longer one is for the next round."""

logger = logging.getLogger("ringside.alerts")

Uniform = Callable[[float, float], float]


async def send_once(handler: Handler, message: Message) -> None:
    """One attempt, within the time that the handler has for it.

    Raises:
        ConsoleError: as `Handler.send`; a `TransientError` when the time is over, a `PermanentError` for a fault of
            ours: telling of trouble must not be what ends an engine.
    """
    timeout_s = handler.plan.timeout_s
    with trio.move_on_after(timeout_s):
        try:
            await handler.send(message)
        except ConsoleError:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            where = "".join(traceback.format_tb(error.__traceback__))  # not its text, which may hold an address
            logger.error("a fault in telling %s: %s\n%s", handler.name, type(error).__name__, where)
            raise PermanentError(f"telling {handler.name}", "a fault in the program, see the log") from None
        return
    raise TransientError(f"telling {handler.name}", f"no answer within {timeout_s:g} s")


async def send(handler: Handler, message: Message, *, uniform: Uniform = random.uniform) -> None:
    """As many attempts as the handler has.

    Raises:
        ConsoleError: what the last one failed with, or the first after which trying again makes no sense.
    """
    delays = backoff_delays(first_ceiling_s=FIRST_PAUSE_S, ceiling_s=LONGEST_PAUSE_S, uniform=uniform)
    for delay_s in islice(delays, handler.plan.attempts - 1):
        try:
            return await send_once(handler, message)
        except PermanentError:
            raise
        except ConsoleError as error:
            asked_s = error.retry_after_s if isinstance(error, ResourceExhaustedError) else 0.0
            if not 0 <= asked_s <= LONGEST_ASKED_S:
                raise
        await trio.sleep(max(delay_s, asked_s))
    return await send_once(handler, message)
