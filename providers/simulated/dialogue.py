"""What every protocol's side of a conversation offers the server: requests in, answers and first data out."""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import NamedTuple, Protocol

from providers.simulated.market import Step

Opening = Callable[[str], list[str]]
"""Given what was subscribed to, the data frames a new subscriber gets first."""


class Reply(NamedTuple):
    """A text for the client. `data` tells market data, on which faults apply, from the session's own messages."""

    text: str
    data: bool


class Dialogue(Protocol):
    """One client's session. `keys` is what it is subscribed to now."""

    keys: set[str]

    def opened(self) -> list[Reply]:
        """What the venue says at once on a fresh connection."""

    def handle(self, text: str) -> list[Reply]:
        """The answers to one message of the client, in order; never raises, whatever the message."""

    def each_second(self) -> list[Reply]:
        """What the venue says every second."""


class Floor(Protocol):
    """Generated markets in one venue's format, the same text for everyone who hears a key."""

    def opening(self, key: str) -> list[str]:
        """The data frames a new subscriber to `key` gets first; activates its market."""

    def frames(self, step: Step, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """(key, text) of what `step` makes the venue send to those who hear the `wanted` keys."""

    def flush(self, wanted: Container[str], now_ns: int) -> list[tuple[str, str]]:
        """(key, text) of what the venue sends each 100 ms."""
