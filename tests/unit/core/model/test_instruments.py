"""Instruments and the numbers they go by."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.errors import PermanentError
from core.model import instruments
from core.model.instruments import Instrument, InstrumentRegistry, Product, proposed_id


def make(symbol: str = "BTCUSD", **changes: Any) -> Instrument:
    """An instrument with sensible fields."""
    fields: dict[str, Any] = {
        "venue": "KRAKEN", "symbol": symbol, "venue_symbol": "BTC/USD", "canonical": symbol, "base": "BTC",
        "quote": "USD", "settle": "USD", "product": Product.SPOT, "price_decimals": 1, "quantity_decimals": 8,
        "price_increment_e9": 100_000_000, "quantity_increment_e8": 1,
    }  # fmt: skip
    return Instrument(**(fields | changes))


def test_numbers_are_the_same_everywhere() -> None:
    """The number of a symbol is fixed by its name and venue alone, and two venues differ."""
    first, second = InstrumentRegistry(), InstrumentRegistry()
    assert (
        first.get_or_create(venue="KRAKEN", symbol="BTCUSD")
        == second.get_or_create(venue="KRAKEN", symbol="BTCUSD")
        == 491_576_950
    )
    assert first.get_or_create(venue="BINANCE", symbol="BTCUSD") != first.get_or_create(
        venue="KRAKEN", symbol="BTCUSD"
    )


def test_a_collision_is_seen_and_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two symbols whose hashes agree get two numbers, and the collision is counted."""
    monkeypatch.setattr(instruments, "proposed_id", lambda *, venue, symbol, attempt=0: 7 + attempt)
    registry = InstrumentRegistry()
    numbers = [registry.get_or_create(venue="KRAKEN", symbol=symbol) for symbol in ("AUSD", "BUSD", "CUSD", "AUSD")]
    assert numbers == [7, 8, 9, 7]
    assert registry.collisions == 3
    assert registry.owner(8) == ("KRAKEN", "BUSD")


def test_threads_never_share_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Symbols whose hashes agree get numbers of their own when threads ask for them at once."""
    monkeypatch.setattr(instruments, "proposed_id", lambda *, venue, symbol, attempt=0: 7 + attempt)
    registry = InstrumentRegistry({}, lambda **_row: os.sched_yield())
    together = threading.Barrier(8)

    def work(thread: int) -> list[int]:
        together.wait(30)
        return [registry.get_or_create(venue="KRAKEN", symbol=f"S{thread}.{number}") for number in range(100)]

    with ThreadPoolExecutor(8) as threads:
        numbers = [number for some in threads.map(work, range(8)) for number in some]
    assert sorted(numbers) == list(range(7, 807))


def test_known_numbers_are_kept_and_new_ones_remembered() -> None:
    """What was given out before wins over the hash, and each new number is handed to the keeper once."""
    remembered: list[dict[str, Any]] = []
    registry = InstrumentRegistry({("KRAKEN", "BTCUSD"): 5}, lambda **row: remembered.append(row))
    assert registry.get_or_create(venue="KRAKEN", symbol="BTCUSD") == 5
    number = registry.get_or_create(venue="KRAKEN", symbol="ETHUSD")
    registry.get_or_create(venue="KRAKEN", symbol="ETHUSD")
    assert remembered == [{"venue": "KRAKEN", "symbol": "ETHUSD", "number": number}]
    assert number == proposed_id(venue="KRAKEN", symbol="ETHUSD")


@pytest.mark.parametrize(
    "changes",
    [{"price_decimals": 10}, {"price_increment_e9": 0}, {"quantity_decimals": 9}, {"quantity_increment_e8": 0}],
)
def test_increments_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    """An instrument finer than the records can hold cannot be made at all."""
    with pytest.raises(PermanentError, match="finer than"):
        make(**changes)
