"""The newest messages of a connection as the venue sent them, for whoever must find out afterwards what happened.

They are kept by reference, read by read: nothing is copied or parsed while data flows.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs

MOST_READS: Final = 512
MOST_BYTES: Final = 256 * 1024
"""Of text, as characters: of one connection so much is kept, whatever a venue sends."""

Message = str | bytes


@attrs.frozen
class RecentMessage:
    """One message: when its last bytes were read, by the wall clock, and what it said; of one that is larger than all
    that is kept the beginning."""

    ts_recv_ns: int
    content: Message


class RecentMessages:
    """Remembers what `keep` is given, the newest, within both bounds."""

    def __init__(self) -> None:
        self._reads: deque[tuple[int, list[Message], int]] = deque()
        self._size = 0

    def keep(self, messages: list[Message], ts_recv_ns: int) -> None:
        """Remember what one read brought. The list is kept as it is: the caller must not change it any more."""
        reads = self._reads
        size = sum(map(len, messages))
        reads.append((ts_recv_ns, messages, size))
        self._size += size
        while self._size > MOST_BYTES or len(reads) > MOST_READS:
            if len(reads) == 1:  # one read that is too large: its beginning tells more than nothing
                share = max(MOST_BYTES // len(messages), 1)
                cut = [message[:share] for message in messages[-MOST_BYTES:]]
                self._size = sum(map(len, cut))
                reads[0] = (ts_recv_ns, cut, self._size)
                return
            self._size -= reads.popleft()[2]

    def messages(self) -> list[RecentMessage]:
        """What is remembered, the oldest first."""
        return [RecentMessage(ts_recv_ns, content) for ts_recv_ns, messages, _ in self._reads for content in messages]
