"""The long past of generated markets: the same whoever asks and however it is cut; bars are those of its trades."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.simulated import deep_past
from providers.simulated.deep_past import BAR, BEGINS_MS, DAY_MS, HOUR_MS, DeepPast, DeepTrade
from providers.simulated.market import FIRST_ID, MarketSource
from providers.simulated.universe import UNIVERSE, Listing, find_listings

END_MS = 1_795_355_000_123
BITCOIN, QUIET = find_listings(("BTCUSD", "KAVAUSD"))
MINUTE_MS = 60_000
MONDAY_MS = 4 * DAY_MS


def _past(seed: int = 7, end_ms: int = END_MS) -> DeepPast:
    return DeepPast(BITCOIN, seed=seed, end_ms=end_ms)


def _between(past: DeepPast, start_ms: int, end_ms: int) -> list[DeepTrade]:
    found: list[DeepTrade] = []
    while True:
        page = past.trades_from(found[-1].at_ms + 1 if found else start_ms, 1000)
        found += [trade for trade in page if trade.at_ms < end_ms]
        if not page or page[-1].at_ms >= end_ms:
            return found


@given(at_ms=st.integers(BEGINS_MS - DAY_MS, END_MS + DAY_MS), sizes=st.lists(st.integers(1, 60), max_size=4))
def test_pages_of_any_size_are_one_past(at_ms: int, sizes: list[int]) -> None:
    """However it is cut, by whichever instance, forwards or backwards: each trade once, at an instant of its own."""
    whole = _past().trades_from(at_ms, sum(sizes))
    cut: list[DeepTrade] = []
    for size in sizes:
        cut += _past().trades_from(cut[-1].at_ms + 1 if cut else at_ms, size)
    assert cut == whole
    assert all(early.at_ms < late.at_ms for early, late in pairwise(whole))
    if whole:
        assert _past().trades_before(whole[-1].at_ms + 1, len(whole)) == whole
        assert at_ms <= whole[0].at_ms
        assert whole[-1].at_ms < END_MS


def test_what_was_told_once_stays() -> None:
    """What operators have stored of a seed is told again by every later version, to the digit."""
    assert _past().trades_from(0, 3) == [
        DeepTrade(1577836802918, True, 646805, 65000), DeepTrade(1577836804856, True, 646764, 5000),
        DeepTrade(1577836807426, False, 646707, 4680000),
    ]  # fmt: skip
    assert _past().bars(BEGINS_MS + 2000 * DAY_MS, END_MS, 1, interval_ms=DAY_MS).tolist() == [
        (
            1750636800000, 640890, 641578, 635083, 638071, 44337156, 28297307876346, 22278325, 14218705379581,
            141465490, 43560,
        )
    ]  # fmt: skip


def test_it_begins_and_ends() -> None:
    """The first trade is of the first minute of 2020, the last one of before its end, and nothing lies outside."""
    past = _past()
    assert past.trades_before(BEGINS_MS, 5) == []
    assert past.trades_from(END_MS, 5) == []
    assert past.trades_from(0, 0) == past.trades_before(END_MS, 0) == []
    assert BEGINS_MS <= past.trades_from(0, 1)[0].at_ms < BEGINS_MS + MINUTE_MS
    assert END_MS - MINUTE_MS < past.trades_before(END_MS, 1)[0].at_ms < END_MS
    assert past.trades_before(BEGINS_MS + MINUTE_MS, 1000) == _between(past, 0, BEGINS_MS + MINUTE_MS)


def test_another_seed_or_market_has_another_past() -> None:
    """What differs in seed or name shares no instants but by chance."""
    told = {_trades(_past().trades_from(BEGINS_MS, 20)), _trades(_past(8).trades_from(BEGINS_MS, 20))}
    told.add(_trades(DeepPast(QUIET, seed=7, end_ms=END_MS).trades_from(BEGINS_MS, 20)))
    assert len(told) == 3
    assert _past(-1).trades_from(BEGINS_MS, 20) == _past(-1).trades_from(BEGINS_MS, 20)


def _trades(trades: Sequence[DeepTrade]) -> tuple[int, ...]:
    return tuple(trade.at_ms for trade in trades)


def test_the_price_is_continuous_and_stays_near_its_beginning() -> None:
    """No trade is far from the one before it, midnights included; none of seven years is far from the listing's."""
    past = _past()
    midnight = BEGINS_MS + 900 * DAY_MS
    near = _between(past, midnight - 2 * HOUR_MS, midnight + 2 * HOUR_MS)
    assert len(near) > 3000
    assert all(abs(late.ticks - early.ticks) < 0.001 * BITCOIN.start_ticks for early, late in pairwise(near))
    chance = random.Random(1)
    far = [past.trades_from(chance.randrange(BEGINS_MS, END_MS - DAY_MS), 1)[0].ticks for _ in range(300)]
    assert all(0.85 < ticks / BITCOIN.start_ticks < 1.15 for ticks in far)
    assert max(far) - min(far) > 0.05 * BITCOIN.start_ticks


@pytest.mark.parametrize(
    ("interval_ms", "offset_ms", "days"),
    [
        (MINUTE_MS, 0, 0.5), (30 * MINUTE_MS, 0, 1.5), (HOUR_MS, 0, 1.5), (4 * HOUR_MS, 0, 2), (DAY_MS, 0, 3),
        (3 * DAY_MS, 0, 5), (7 * DAY_MS, MONDAY_MS, 9),
    ],
)  # fmt: skip
def test_bars_are_those_of_the_trades(interval_ms: int, offset_ms: int, days: float) -> None:
    """Of every length, to the last trade, the first and the last one cut off where the past begins and ends."""
    past = DeepPast(QUIET, seed=3, end_ms=BEGINS_MS + int(days * DAY_MS))
    trades = _between(past, 0, END_MS)
    bars = past.bars(0, END_MS, 1000, interval_ms=interval_ms, offset_ms=offset_ms)
    grouped = groupby(trades, key=lambda trade: trade.at_ms - (trade.at_ms - offset_ms) % interval_ms)
    assert bars.tolist() == [_bar(past, begin_ms, list(group)) for begin_ms, group in grouped]
    part = past.bars(
        int(bars["begin_ms"][0]) + 1, int(bars["begin_ms"][-1]), 1000, interval_ms=interval_ms, offset_ms=offset_ms
    )
    assert part.tolist() == bars[1:-1].tolist()


def _bar(past: DeepPast, begin_ms: int, trades: Sequence[DeepTrade]) -> tuple[int, ...]:
    prices = [trade.ticks for trade in trades]
    lots = [trade.units // past.lot_units for trade in trades]
    turnovers = [trade.ticks * many for trade, many in zip(trades, lots, strict=True)]
    bought = [trade.buy for trade in trades]
    dollar = 10 ** (past.listing.price_decimals + past.listing.quantity_decimals)
    told = {
        "begin_ms": begin_ms, "open": prices[0], "high": max(prices), "low": min(prices), "close": prices[-1],
        "lots": sum(lots), "turnover": sum(turnovers),
        "bought": sum(many for many, buy in zip(lots, bought, strict=True) if buy),
        "bought_turnover": sum(each for each, buy in zip(turnovers, bought, strict=True) if buy),
        "contracts": sum(max(trade.units * trade.ticks // dollar, 1) for trade in trades), "trades": len(trades),
    }  # fmt: skip
    return tuple(told[name] for name in BAR.names or ())


@pytest.mark.parametrize("listing", UNIVERSE, ids=lambda listing: listing.symbol)
def test_no_market_is_too_large_for_its_sums(listing: Listing) -> None:
    """An hour of every market adds up to what Python's own integers give; quantities are whole lots."""
    past = DeepPast(listing, seed=5, end_ms=BEGINS_MS + HOUR_MS)
    trades = _between(past, 0, END_MS)
    assert past.bars(0, END_MS, 9, interval_ms=HOUR_MS).tolist() == [_bar(past, BEGINS_MS, trades)]
    assert all(trade.units % past.lot_units == 0 for trade in trades)
    largest = 2 * listing.start_ticks * 4096 * past.lot_units
    assert largest < 2**63, "a trade's worth, twice the price"


def test_first_bars_are_enough() -> None:
    """Only so many as were asked for are drawn, those of a quiet market over many empty intervals."""
    past = DeepPast(QUIET, seed=3, end_ms=END_MS)
    bars = past.bars(BEGINS_MS, END_MS, 400, interval_ms=MINUTE_MS)
    assert len(bars) == 400
    assert bars["begin_ms"][-1] > BEGINS_MS + 400 * MINUTE_MS, "some minutes are empty"


def test_a_page_draws_what_it_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand trades in the middle of seven years take some thousands of hashes, and so do a thousand minutes."""
    counted: list[int] = []
    hashed = deep_past._hashed

    def counting(numbers, key):  # type: ignore[no-untyped-def]
        counted.append(len(numbers))
        return hashed(numbers, key)

    monkeypatch.setattr(deep_past, "_hashed", counting)
    assert len(_past().trades_from(BEGINS_MS + 1000 * DAY_MS, 1000)) == 1000
    assert sum(counted) < 5000
    counted.clear()
    _past().bars(BEGINS_MS + 1000 * DAY_MS, END_MS, 1000, interval_ms=MINUTE_MS)
    assert sum(counted) < 100_000


def test_there_is_one_only_where_numbers_leave_room() -> None:
    """Trades numbered from a small number have no long past; else it ends where they begin, in time and in number."""
    first_ms = END_MS - 5000
    assert MarketSource(3).deep_past(BITCOIN, until_ns=END_MS * 10**6) is None
    assert FIRST_ID < BEGINS_MS
    for first_id, until_ms in ((first_ms, END_MS), (END_MS, first_ms)):
        past = MarketSource(3, first_id=first_id).deep_past(BITCOIN, until_ns=until_ms * 10**6)
        assert past is not None
        assert past.end_ms == first_ms
