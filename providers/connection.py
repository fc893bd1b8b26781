"""A connection to a venue as the operator sees it: where it stands, why, and which step may follow which."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import attrs

from core.clock import monotonic_ns, wall_ns
from core.errors import ConsoleError
from core.telemetry.histograms import LatencyHistogram, RecentHighest, WindowedHistogram
from providers.recent import RecentMessages


class ConnectionStatus(enum.StrEnum):
    """Where a connection to a venue stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ERROR = "error"


TRANSITIONS: Final[Mapping[ConnectionStatus, frozenset[ConnectionStatus]]] = {
    # What fails before the first connection, a catalogue for one, is tried again as well.
    ConnectionStatus.DISCONNECTED: frozenset(
        {ConnectionStatus.CONNECTING, ConnectionStatus.RECONNECTING, ConnectionStatus.ERROR}
    ),
    ConnectionStatus.CONNECTING: frozenset(
        {
            ConnectionStatus.CONNECTED,
            ConnectionStatus.RECONNECTING,
            ConnectionStatus.DISCONNECTED,
            ConnectionStatus.ERROR,
        }
    ),
    ConnectionStatus.CONNECTED: frozenset(
        {ConnectionStatus.RECONNECTING, ConnectionStatus.DISCONNECTED, ConnectionStatus.ERROR}
    ),
    ConnectionStatus.RECONNECTING: frozenset(
        {
            ConnectionStatus.CONNECTING,
            ConnectionStatus.CONNECTED,
            ConnectionStatus.DISCONNECTED,
            ConnectionStatus.ERROR,
        }
    ),
    ConnectionStatus.ERROR: frozenset(
        {ConnectionStatus.CONNECTING, ConnectionStatus.RECONNECTING, ConnectionStatus.DISCONNECTED}
    ),
}
"""From where to where; staying with another reason is always allowed."""

STOPPED: Final = "stopped"
"""The reason of a connection that was given up because nobody wanted it any more."""
BROKE_OFF: Final = "broke off by an error in this program"
"""The reason of a connection that ended by a programming error."""
_OVER: Final = frozenset({ConnectionStatus.DISCONNECTED, ConnectionStatus.ERROR})


def _recent_delays() -> LatencyHistogram:
    return WindowedHistogram(monotonic_ns)


def _recent_highest() -> RecentHighest:
    return RecentHighest(monotonic_ns)


@attrs.define
class ConnectionState:
    """One connection to a venue as the operator sees it. `reason` says why it is not connected; `since_ns` is since
    when it stands where it stands, failed attempts to come back included.

    Both delays are those of the last minute. `publish_delay` is, for each message, the time from the read that
    brought its last bytes out of the socket until the feed has handled all that came with that read, records pushed.
    `venue_delay` is the time from a trade at the venue to that read, by the
    clocks of two machines, and so also holds what waited in the network and in this machine's buffers. `ahead_ns` is
    by how much trades came before their own time.

    `entered` is called after each step: whoever looks only now and then misses a loss that is over within moments.
    `recent` are its newest messages as they came, of connections that keep them.
    """

    venue: str
    status: ConnectionStatus = ConnectionStatus.DISCONNECTED
    reason: str = ""
    since_ns: int = 0
    messages: int = 0
    malformed: int = 0
    reconnects: int = 0
    venue_delay: LatencyHistogram = attrs.Factory(_recent_delays)
    publish_delay: LatencyHistogram = attrs.Factory(_recent_delays)
    ahead_ns: RecentHighest = attrs.Factory(_recent_highest)
    entered: Callable[[], None] | None = attrs.field(default=None, eq=False, repr=False)
    recent: RecentMessages = attrs.field(factory=RecentMessages, eq=False, repr=False)

    def enter(self, status: ConnectionStatus, reason: str = "") -> None:
        """Go to `status`, or stay with another reason. One that cannot follow on where it stands is a programming
        error."""
        assert status is self.status or status in TRANSITIONS[self.status], f"{self.status} to {status}"
        if status is not self.status or not self.since_ns:
            self.since_ns = wall_ns()
        self.status, self.reason = status, reason
        if self.entered is not None:
            self.entered()

    def measure_like(self, other: ConnectionState) -> None:
        """Go on with the measurements of `other`, from now on shared with it."""
        self.publish_delay, self.venue_delay, self.ahead_ns = other.publish_delay, other.venue_delay, other.ahead_ns

    @contextmanager
    def attempting(self) -> Iterator[None]:
        """Begin to connect, and leave a state that is true however the block is left: one that was cancelled or
        returned is disconnected, one that raised stands at an error."""
        self.enter(ConnectionStatus.CONNECTING)
        try:
            yield
        except Exception as error:
            if self.status is not ConnectionStatus.ERROR:
                self.enter(ConnectionStatus.ERROR, str(error) if isinstance(error, ConsoleError) else BROKE_OFF)
            raise
        finally:
            if self.status not in _OVER:
                self.enter(ConnectionStatus.DISCONNECTED, STOPPED)
