"""Instruments and the numbers they go by."""

from __future__ import annotations

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
    assert first.get_or_create("BTCUSD", "KRAKEN") == second.get_or_create("BTCUSD", "KRAKEN") == 491_576_950
    assert first.get_or_create("BTCUSD", "BINANCE") != first.get_or_create("BTCUSD", "KRAKEN")


def test_a_collision_is_seen_and_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two symbols whose hashes agree get two numbers, and the collision is counted."""
    monkeypatch.setattr(instruments, "proposed_id", lambda _symbol, _venue, attempt=0: 7 + attempt)
    registry = InstrumentRegistry()
    numbers = [registry.get_or_create(symbol, "KRAKEN") for symbol in ("AUSD", "BUSD", "CUSD", "AUSD")]
    assert numbers == [7, 8, 9, 7]
    assert registry.collisions == 3
    assert registry.owner(8) == ("KRAKEN", "BUSD")


def test_known_numbers_are_kept_and_new_ones_remembered() -> None:
    """What was given out before wins over the hash, and each new number is handed to the keeper once."""
    remembered: list[tuple[str, str, int]] = []
    registry = InstrumentRegistry({("KRAKEN", "BTCUSD"): 5}, lambda *row: remembered.append(row))
    assert registry.get_or_create("BTCUSD", "KRAKEN") == 5
    number = registry.get_or_create("ETHUSD", "KRAKEN")
    registry.get_or_create("ETHUSD", "KRAKEN")
    assert remembered == [("KRAKEN", "ETHUSD", number)]
    assert number == proposed_id("ETHUSD", "KRAKEN")


@pytest.mark.parametrize(
    "changes",
    [{"price_decimals": 10}, {"price_increment_e9": 0}, {"quantity_decimals": 9}, {"quantity_increment_e8": 0}],
)
def test_increments_that_do_not_fit_are_refused(changes: dict[str, Any]) -> None:
    """An instrument finer than the records can hold cannot be made at all."""
    with pytest.raises(PermanentError, match="finer than"):
        make(**changes)
