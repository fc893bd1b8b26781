"""Where a stream was cut and where the next one takes over, so that nothing is missing and nothing comes twice. Pure.

A replay is asked for from a moment before the cut, because records may share an instant; what of it was seen is told
by identity. Equal records are counted, for two fills may be alike in everything.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import Final

from core.clock import NS_PER_S

REMEMBERED: Final = 16_384
OVERLAP_NS: Final = NS_PER_S
_LATEST_NS = 2**63 - 1


def identity_of(record: bytes) -> int:
    """A number that two records share when they say the same: everything in a trade, quote or book record but its
    flags and the gateway's own times."""
    return hash(record[:30] + record[31:32] + record[44:])


class Seam:
    """One schema's stream: remembers its newest records, and after a cut recognises them.

    `start_ns` is the instant from which to ask for a replay, 0 while nothing was ever heard. Records come at most
    `late_ns` after the instant they bear: a bar bears that at which it began.
    """

    def __init__(self, late_ns: int = 0) -> None:
        self._late_ns = late_ns
        self._newest_ns = 0
        self._forgotten_ns = 0
        self._recent: deque[tuple[int, int]] = deque()
        self._expected: Counter[int] = Counter()

    @property
    def start_ns(self) -> int:
        """From when on the next session is to replay; 0 to begin with what happens then."""
        if not self._newest_ns:
            return 0
        return max(self._newest_ns - self._late_ns - OVERLAP_NS, self._forgotten_ns + 1)

    @property
    def joining(self) -> bool:
        """Whether some of the records from before the cut were not met again yet."""
        return bool(self._expected)

    def begin(self, instant_ns: int) -> None:
        """The first session began at `instant_ns`: what happened before was not asked for, and never is."""
        self._forgotten_ns = max(self._forgotten_ns, min(instant_ns, _LATEST_NS) - self._late_ns - 1)
        self.heard(instant_ns)

    def heard(self, instant_ns: int) -> None:
        """The gateway's clock stood at `instant_ns` and everything before was sent."""
        if self._newest_ns < instant_ns <= _LATEST_NS:
            self._newest_ns = instant_ns

    def cut(self) -> None:
        """A new session begins, with a replay from `start_ns`."""
        start_ns = self.start_ns
        self._expected = Counter(identity for instant_ns, identity in self._recent if instant_ns >= start_ns)

    def caught_up(self) -> None:
        """The replay is over: what comes now is new."""
        self._expected.clear()

    def forget(self) -> None:
        """What was missed cannot be had: begin anew."""
        self._newest_ns = self._forgotten_ns = 0
        self._recent.clear()
        self._expected.clear()

    def is_new(self, record: bytes, instant_ns: int) -> bool:
        """Note a record that happened at `instant_ns`, and whether it is none from before the cut."""
        identity = identity_of(record)
        if self._expected:
            left = self._expected.get(identity, 0)
            if left:
                if left == 1:
                    del self._expected[identity]
                else:
                    self._expected[identity] = left - 1
                return False
        self.heard(instant_ns)
        self._recent.append((instant_ns, identity))
        if len(self._recent) > REMEMBERED:
            self._forgotten_ns = max(self._forgotten_ns, self._recent.popleft()[0])
        return True
