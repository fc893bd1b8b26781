"""A connection to a venue as the operator sees it: where it stands, why, and which step may follow which."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from core.clock import monotonic_ns, wall_ns
from core.telemetry import LatencyHistogram, WindowedHistogram


class ConnectionStatus(enum.StrEnum):
    """Where a connection to a venue stands."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    RECONNECTING = "reconnecting"
    ERROR = "error"


TRANSITIONS: Final[Mapping[ConnectionStatus, frozenset[ConnectionStatus]]] = {
    ConnectionStatus.DISCONNECTED: frozenset({ConnectionStatus.CONNECTING, ConnectionStatus.ERROR}),
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


def _recent_delays() -> LatencyHistogram:
    return WindowedHistogram(monotonic_ns)


@attrs.define
class ConnectionState:
    """One connection to a venue as the operator sees it. `reason` says why it is not connected; `since_ns` is since
    when it stands where it stands.

    Both delays are those of the last minute. `publish_delay` is, for each message, the time from the read that
    brought its last bytes out of the socket until the feed has handled it, records pushed; what came with the same
    read and went before it is included. `venue_delay` is the time from a trade at the venue to that read, by the
    clocks of two machines, and so also holds what waited in the network and in this machine's buffers.
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

    def enter(self, status: ConnectionStatus, reason: str = "") -> None:
        """Go to `status`. One that cannot follow on where it stands is a programming error."""
        assert status is self.status or status in TRANSITIONS[self.status], f"{self.status} to {status}"
        self.status, self.reason, self.since_ns = status, reason, wall_ns()
