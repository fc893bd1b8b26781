"""What is assumed of an instrument that nobody described."""

from __future__ import annotations

import attrs
import numpy as np
import pytest

from console.backtests.instruments import assumed_instrument, whole_instrument
from core.bars.ticks import Ticks
from core.errors import NotFoundError
from core.model.instruments import Instrument, Product
from tests.unit.console.backtests.trading import bitcoin, walk


def assumed(
    venue: str, symbol: str, *, prices: tuple[int, ...] = (100_500_000_000,), quantity_e8: int = 25_000_000
) -> Instrument:
    """The instrument that is assumed from trades at these prices."""
    count = len(prices)
    ticks = Ticks(
        np.arange(count, dtype=np.int64),
        np.array(prices, np.int64),
        np.full(count, quantity_e8, np.int64),
        np.full(count, ord("B"), np.uint8),
    )
    return assumed_instrument(venue=venue, symbol=symbol, ticks=ticks)


@pytest.mark.parametrize(
    ("venue", "symbol", "expected"),
    [
        ("BINANCE", "BTCUSDT", ("BTC", "USDT", "USDT", Product.SPOT)),
        ("KRAKEN", "XBT/USD", ("BTC", "USD", "USD", Product.SPOT)),
        ("KRAKEN", "ETHBTC", ("ETH", "BTC", "BTC", Product.SPOT)),
        ("KRAKEN", "DOTUSD", ("DOT", "USD", "USD", Product.SPOT)),
        ("BINANCE", "BTCFDUSD", ("BTC", "FDUSD", "FDUSD", Product.SPOT)),
        ("KRAKEN_FUTURES", "PI_XBTUSD", ("BTC", "USD", "BTC", Product.INVERSE_PERPETUAL)),
        ("KRAKEN_FUTURES", "PF_ETHUSD", ("ETH", "USD", "USD", Product.LINEAR_PERPETUAL)),
        ("KRAKEN_FUTURES", "FI_XBTUSD_240927", ("BTC", "USD", "BTC", Product.INVERSE_FUTURE)),
        ("GLBX.MDP3", "ESZ5", ("ESZ5", "USD", "USD", Product.LINEAR_FUTURE)),
        ("XEUR.EOBI", "FDAX", ("FDAX", "EUR", "EUR", Product.LINEAR_FUTURE)),
        ("XNAS.ITCH", "MSFT", ("MSFT", "USD", "USD", Product.EQUITY)),
    ],
)
def test_the_name_and_the_venue_tell_what_it_is(
    venue: str, symbol: str, expected: tuple[str, str, str, Product]
) -> None:
    """Pairs by the currency they end in, contracts by their prefix, a vendor's data by its dataset."""
    found = assumed(venue, symbol)
    assert (found.base, found.quote, found.settle, found.product) == expected


def test_the_steps_are_those_that_were_traded() -> None:
    """As many decimals as the finest price and quantity have; a vendor counts whole units."""
    found = assumed("KRAKEN", "BTCUSD", prices=(100_000_000_000, 100_250_000_000))
    assert (found.price_decimals, found.price_increment_e9) == (2, 10_000_000)
    assert found.quantity_increment_e8 == 1_000_000
    assert assumed("XNAS.ITCH", "MSFT").quantity_increment_e8 == 100_000_000


def test_a_description_without_currencies_is_completed() -> None:
    """Its own name at the venue tells them; all else stays as described, and something is said to be assumed."""
    ticks = Ticks.of_records(walk(3))
    bare = attrs.evolve(
        bitcoin("KRAKEN_FUTURES"), venue_symbol="PI_XBTUSD", base="", quote="", settle="",
        product=Product.INVERSE_PERPETUAL,
    )  # fmt: skip
    found, some_assumed = whole_instrument(bare, venue=bare.venue, symbol=bare.symbol, ticks=ticks)
    assert (found, some_assumed) == (attrs.evolve(bare, base="BTC", quote="USD", settle="BTC"), True)
    known = bitcoin()
    assert whole_instrument(known, venue=known.venue, symbol=known.symbol, ticks=ticks) == (known, False)


@pytest.mark.parametrize("symbol", ["USD", "GOLD", "X"])
def test_what_cannot_be_told_is_not_found(symbol: str) -> None:
    """A name without a currency at its end, or that is nothing else, is not guessed at."""
    with pytest.raises(NotFoundError, match="unknown instrument"):
        assumed("KRAKEN", symbol)
