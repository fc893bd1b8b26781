"""Lets a host take what is still in the rings, before it is ended."""

from __future__ import annotations

from typing import Final

import trio

from console.paper.host import PaperHost

DRAIN_S: Final = 10.0
POLL_S: Final = 0.01


async def drain(host: PaperHost) -> None:
    """Wait until `host` has traded on all that is in its rings, which nobody should write any more."""
    with trio.move_on_after(DRAIN_S):
        while host.lag > 0:  # it is woken up by the rings themselves: there is no event to wait for
            await trio.sleep(POLL_S)
