"""The market generator."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import NS_PER_S
from core.errors import NotFoundError
from providers.simulated.market import LEVELS_MAX, LEVELS_MIN, SNAPSHOT_TRADES, MarketSource, Step
from providers.simulated.universe import DEFAULT_SYMBOLS, UNIVERSE


def _run(source: MarketSource, symbols: tuple[str, ...], *, seconds: int) -> list[Step]:
    for symbol in symbols:
        source.market(symbol)
    return list(source.advance(seconds * NS_PER_S))


@pytest.mark.parametrize("symbol", ["BTCUSD", "XRPUSD", "LTCBTC", "SHIBUSD", "MINAUSD"])
def test_book_is_whole(symbol: str) -> None:
    """Between steps a book is never crossed, keeps 20 to 25 positive levels a side, and its ids rise by one."""
    source = MarketSource(11, rate=20.0)
    market = source.market(symbol)
    update_id = market.update_id
    steps = 0
    for step in source.advance(20 * NS_PER_S):
        steps += 1
        assert 0 < market.bids.best < market.asks.best
        for side in (market.bids, market.asks):
            levels = side.top(100)
            assert LEVELS_MIN - 1 <= len(levels) <= LEVELS_MAX + 1
            assert all(ticks > 0 and units > 0 for ticks, units in levels)
            assert sorted(levels, reverse=side is market.bids) == levels
        assert [change.update_id for change in step.changes] == list(
            range(update_id + 1, update_id + 1 + len(step.changes))
        )
        update_id = market.update_id
    assert steps > 10


@given(seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_never_crossed(seed: int) -> None:
    """Whatever the seed, no step leaves a crossed book."""
    source = MarketSource(seed, ("AVAXUSD", "BTCUSD"), rate=10.0)
    markets = [source.market("AVAXUSD"), source.market("BTCUSD")]
    for _ in source.advance(5 * NS_PER_S):
        assert all(market.bids.best < market.asks.best for market in markets)


def test_same_seed_same_market() -> None:
    """A seed gives the same events whatever else runs beside the symbol; another seed gives others."""
    alone = _run(MarketSource(5), ("ETHUSD",), seconds=30)
    beside = [step for step in _run(MarketSource(5), DEFAULT_SYMBOLS, seconds=30) if step.listing.symbol == "ETHUSD"]
    assert alone == beside
    assert alone != _run(MarketSource(6), ("ETHUSD",), seconds=30)


def test_time_order() -> None:
    """Events of all markets come in the order of time, and in pieces as in one go."""
    whole = _run(MarketSource(5), DEFAULT_SYMBOLS, seconds=20)
    assert all(before.at_ns <= after.at_ns for before, after in pairwise(whole))
    source = MarketSource(5)
    pieces = _run(source, DEFAULT_SYMBOLS, seconds=0)
    for second in range(1, 21):
        pieces += source.advance(second * NS_PER_S)
    assert pieces == whole


def test_trades_eat_levels() -> None:
    """Trade ids are consecutive, each fill is at the best price of the other side and takes its units from it."""
    source = MarketSource(2, ("SOLUSD",))
    market = source.market("SOLUSD")
    newest = market.trade_id
    before = {"bid": dict(market.bids.units), "ask": dict(market.asks.units)}
    traded = swept = 0
    for step in source.advance(200 * NS_PER_S):
        changes = iter(step.changes)
        for trade in step.trades:
            side = "ask" if trade.buy else "bid"
            best = min(before["ask"]) if trade.buy else max(before["bid"])
            change = next(changes)
            assert (trade.trade_id, trade.ticks) == (newest + 1, best)
            assert (change.side, change.ticks, change.units) == (side, best, before[side][best] - trade.units)
            newest = trade.trade_id
            before[side][best] = change.units
            if not change.units:
                del before[side][best]
                swept += 1
            traded += 1
        before = {"bid": dict(market.bids.units), "ask": dict(market.asks.units)}
    assert traded > 300
    assert swept > 20


def test_activity_classes() -> None:
    """Bitcoin is the busiest of the default markets, some of which are nearly silent; activity comes in bursts."""
    steps = _run(MarketSource(9), DEFAULT_SYMBOLS, seconds=300)
    counts = Counter(step.listing.symbol for step in steps)
    assert counts.most_common(1)[0][0] == "BTCUSD"
    assert min(counts[symbol] for symbol in DEFAULT_SYMBOLS) < 60
    assert 100 < len(steps) / 300 < 250
    by_second = Counter(step.at_ns // NS_PER_S for step in steps if step.listing.symbol == "BTCUSD")
    mean = sum(by_second.values()) / 300
    variance = sum((by_second[second] - mean) ** 2 for second in range(300)) / 300
    assert variance > 1.5 * mean, "events that do not excite each other would have variance = mean"


def test_past() -> None:
    """A market begins with fifty trades behind it, none older than a few minutes, ids leading up to the present."""
    for symbol in ("BTCUSD", "KAVAUSD"):
        market = MarketSource(1).market(symbol)
        ages = [age_ns for age_ns, _ in market.past]
        assert len(ages) >= SNAPSHOT_TRADES
        assert ages == sorted(ages, reverse=True)
        assert max(ages) <= 200 * NS_PER_S
        assert market.past[-1][1].trade_id == market.trade_id


def test_late_activation() -> None:
    """A market brought to life later begins then, not at the beginning of the source."""
    source = MarketSource(1)
    idle_ns = source.next_ns
    assert list(source.advance(50 * NS_PER_S)) == []
    source.market("BTCUSD")
    assert idle_ns is None
    assert (source.next_ns or 0) > 50 * NS_PER_S


def test_universe() -> None:
    """About sixty markets with names of their own, sane digits and an increment that records can hold."""
    assert 55 <= len(UNIVERSE) <= 70
    for name in ("symbol", "kraken_name", "binance_name"):
        assert len({getattr(listing, name) for listing in UNIVERSE}) == len(UNIVERSE)
    for listing in UNIVERSE:
        assert 0 <= listing.price_decimals <= 8
        assert 0 <= listing.quantity_decimals <= 8
        assert listing.start_ticks > 500, "a book needs room below its price"
        assert listing.typical_units > 10, "sizes must vary"


def test_symbol_spellings() -> None:
    """Symbols may be given in any venue's spelling, and an unknown one is refused."""
    source = MarketSource(1, ("BTCUSD", "ethusdt", "SOL/USD", "BTC/USD"))
    assert [listing.symbol for listing in source.listings] == ["BTCUSD", "ETHUSD", "SOLUSD"]
    with pytest.raises(NotFoundError, match="NOPE"):
        MarketSource(1, ("NOPE",))
