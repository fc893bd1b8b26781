"""What stands between the records of a ring and a desk: trades in order of time, and how far time has passed. Pure.

A desk wants trades that never go back in time, and marks of time before which nothing comes any more. Venues send
trades a little out of order, and machines have clocks that jump: time is the newest trade's, and runs on with the
monotonic clock.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from core.bars.ticks import Column, Ticks
from core.clock import NS_PER_S

GRACE_NS: Final = 2 * NS_PER_S
"""So far may a trade be behind the newest one; so long after it an instant has passed."""
AHEAD_NS: Final = 3600 * NS_PER_S
"""What lies so far ahead of everything that is known of the time is a mistake of the venue."""
BELIEVED: Final = 100
"""After so many of those, and no other, it is the machine's clock that is wrong."""
_NEVER_NS: Final = -(2**63)


class Intake:
    """Takes the trades of one symbol as they are read. `newest_ns` is the instant of the newest that was taken
    before, 0 for none.

    `late`, `future` and `unpriced` count the trades that were left out, `repeated` those that another ring had
    brought before; `disordered` those that count as of the instant of the newest, because they are older.
    """

    def __init__(self, newest_ns: int = 0) -> None:
        self.newest_ns = newest_ns
        self.late = self.future = self.unpriced = self.repeated = self.disordered = 0
        self._newest_mono_ns: int | None = None
        self._marked_ns = 0
        self._known_ns = _NEVER_NS

    @property
    def left_out(self) -> int:
        """How many trades were left out for what they say of themselves."""
        return self.late + self.future + self.unpriced

    def renew(self) -> None:
        """What follows is read from another ring: trades that are not newer than the newest are left out."""
        self._known_ns = self.newest_ns + 1 if self.newest_ns else _NEVER_NS

    def mark(self, passed_ns: int) -> None:
        """Somebody was told that nothing comes any more from before `passed_ns`: what does is late."""
        self._marked_ns = max(self._marked_ns, passed_ns)

    def passed_ns(self, mono_ns: int) -> int:
        """The instant before which no trade is expected at `mono_ns` of the monotonic clock; 0 before the first."""
        if self._newest_mono_ns is None:
            return 0
        return self.newest_ns + max(mono_ns - self._newest_mono_ns, 0) - GRACE_NS

    def accept(self, ticks: Ticks, recv_ns: Column, mono_ns: int) -> Ticks:
        """Those of `ticks` that count, none of them older than one before it. `recv_ns` is when each was received, by
        the wall clock; `mono_ns` when they were read, by the monotonic one."""
        if len(ticks) == 1:
            ts_ns = ticks.ts_ns.item()
            bound_ns = max(self._known_ns, self._marked_ns, self.newest_ns)
            if bound_ns <= ts_ns <= recv_ns.item() + AHEAD_NS and ticks.price_e9.item() > 0:
                if ts_ns > self.newest_ns or self._newest_mono_ns is None:
                    self.newest_ns, self._newest_mono_ns = ts_ns, mono_ns
                return ticks
        return self._sorted_out(ticks, recv_ns, mono_ns)

    def _sorted_out(self, ticks: Ticks, recv_ns: Column, mono_ns: int) -> Ticks:
        times_ns, unpriced = ticks.ts_ns, ticks.price_e9 <= 0
        future = (times_ns > recv_ns + AHEAD_NS) & ~unpriced
        if self._newest_mono_ns is not None:
            future &= times_ns > self.passed_ns(mono_ns) + GRACE_NS + AHEAD_NS
        elif self.future >= BELIEVED:
            future &= False
        usable = ~unpriced & ~future
        repeated = usable & (times_ns < self._known_ns)
        usable &= ~repeated
        reached_ns = np.maximum.accumulate(np.where(usable, times_ns, self.newest_ns))
        reached_ns = np.maximum(reached_ns, self.newest_ns)
        late = usable & ((times_ns < reached_ns - GRACE_NS) | (times_ns < self._marked_ns))
        kept = usable & ~late
        self.unpriced += int(unpriced.sum())
        self.future += int(future.sum())
        self.repeated += int(repeated.sum())
        self.late += int(late.sum())
        self.disordered += int((kept & (times_ns < reached_ns)).sum())
        if not kept.any():
            return Ticks.none()
        taken = Ticks(reached_ns[kept], ticks.price_e9[kept], ticks.quantity_e8[kept], ticks.side[kept])
        if taken.ts_ns[-1] > self.newest_ns or self._newest_mono_ns is None:
            self.newest_ns, self._newest_mono_ns = int(taken.ts_ns[-1]), mono_ns
        return taken
