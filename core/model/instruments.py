"""What is traded, and the number it goes by.

An instrument is identified by (venue, symbol). `symbol` is unique within its venue: the canonical name where
the venue has one product that owns it, the venue's own name otherwise. Two venues may both call something
`BTCUSD`; product, quote and settlement currency stay with each, and screens show them.
"""

from __future__ import annotations

import enum
import hashlib
import threading
from collections.abc import Mapping
from functools import cached_property
from typing import Final, Protocol

import attrs

from core.errors import PermanentError
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.model.publishers import PUBLISHERS


class Product(enum.StrEnum):
    """What kind of thing an instrument is."""

    SPOT = "spot"
    INVERSE_PERPETUAL = "inverse_perpetual"
    LINEAR_PERPETUAL = "linear_perpetual"
    INVERSE_FUTURE = "inverse_future"
    LINEAR_FUTURE = "linear_future"
    EQUITY = "equity"


IN_FULL: Final = frozenset({Product.SPOT, Product.EQUITY})
"""Products that are paid in full and cannot be sold short."""


@attrs.frozen(kw_only=True)
class Instrument:
    """One tradable product of one venue, as the venue's own catalogue describes it.

    `price_decimals` and `quantity_decimals` are the digits the venue prints; the increments are the smallest
    steps at 1e-9 and 1e-8. Raises `PermanentError` when they are finer than a record can hold.
    """

    venue: str
    symbol: str
    venue_symbol: str
    canonical: str
    base: str
    quote: str
    settle: str
    product: Product
    price_decimals: int
    quantity_decimals: int
    price_increment_e9: int
    quantity_increment_e8: int
    instrument_id: int = 0

    def __attrs_post_init__(self) -> None:
        if self.price_decimals > PRICE_DECIMALS or self.price_increment_e9 < 1:
            raise PermanentError("price increment finer than 1e-9", f"{self.venue_symbol} on {self.venue}")
        if self.quantity_decimals > QUANTITY_DECIMALS or self.quantity_increment_e8 < 1:
            raise PermanentError("quantity increment finer than 1e-8", f"{self.venue_symbol} on {self.venue}")

    @cached_property
    def key(self) -> tuple[str, str]:
        """The (venue, symbol) that it goes by."""
        return self.venue, self.symbol

    @cached_property
    def publisher_id(self) -> int:
        """The `publisher_id` of this instrument's records."""
        return PUBLISHERS[self.venue].publisher_id


def proposed_id(*, venue: str, symbol: str, attempt: int = 0) -> int:
    """A stable, non-zero 32-bit number for (venue, symbol): the high half of a 64-bit hash.

    `attempt` above 0 gives the next candidate after a collision.
    """
    text = f"{symbol}@{venue}" if attempt == 0 else f"{symbol}@{venue}#{attempt}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 32) or 1


class RememberNumber(Protocol):
    """Persists which number an instrument was given, before it returns."""

    def __call__(self, *, venue: str, symbol: str, number: int) -> None:
        """May block. Raises `ConsoleError` when it cannot; then the number is not given out."""


def _forget_number(*, venue: str, symbol: str, number: int) -> None:
    pass


class InstrumentRegistry:
    """Numbers for (venue, symbol) pairs: the same on every call, never shared by two.

    `known` is what was given out before, by (venue, symbol); `remember` is called with each new number. Any thread
    may ask.
    """

    def __init__(
        self, known: Mapping[tuple[str, str], int] | None = None, remember: RememberNumber = _forget_number
    ) -> None:
        self._ids = dict(known or {})
        self._owners = {number: key for key, number in self._ids.items()}
        self._remember = remember
        self._lock = threading.Lock()
        self.collisions = 0

    def get_or_create(self, *, venue: str, symbol: str) -> int:
        """The number of (venue, symbol), giving one out if it has none yet. A collision takes the next hash.

        Blocks as long as `remember` does, but not for a number that was given out before; raises what it raises.
        """
        key = (venue, symbol)
        if (known := self._ids.get(key)) is not None:
            return known
        with self._lock:
            if (known := self._ids.get(key)) is not None:
                return known
            attempt = 0
            number = proposed_id(venue=venue, symbol=symbol)
            while number in self._owners:
                self.collisions += 1
                attempt += 1
                number = proposed_id(venue=venue, symbol=symbol, attempt=attempt)
            self._remember(venue=venue, symbol=symbol, number=number)
            self._ids[key] = number
            self._owners[number] = key
            return number

    def owner(self, instrument_id: int) -> tuple[str, str] | None:
        """The (venue, symbol) a number was given to."""
        return self._owners.get(instrument_id)
