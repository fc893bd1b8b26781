"""Waits in trio for the next record of a ring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import trio

if TYPE_CHECKING:
    from ringbuf.reader import RingReader

LONGEST_WAIT_S: Final = 0.05
"""A wake-up of the doorbell that is missed costs no more than this."""


async def wait_for_record(reader: RingReader) -> None:
    """Return when there may be something to read. Raises `RingError` as `RingReader.arm`."""
    if not reader.arm():
        await trio.lowlevel.checkpoint()
        return
    with trio.move_on_after(LONGEST_WAIT_S):
        await trio.lowlevel.wait_readable(reader.bell_fileno())
    reader.disarm()
