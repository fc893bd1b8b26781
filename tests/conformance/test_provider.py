"""What every provider must do, on the server that stands for its venue: real sockets, nothing replaced."""

from __future__ import annotations

from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio
from numpy.typing import NDArray

from core.bars.timeframes import Timeframe
from core.clock import NS_PER_S, wall_ns
from core.errors import NotFoundError, PermanentError, RefusedError
from core.model.fixedpoint import OWN_PUBLISHERS, quantities_e8
from core.model.publishers import PUBLISHERS, Publisher
from core.model.records import F_MAYBE_BAD_BOOK, F_RECOVERED, STREAMED, Records, Schema
from core.model.symbology import parse_symbols
from providers.base import (
    BarPage,
    BookState,
    Endpoints,
    Historical,
    HistoricalById,
    Standing,
    Subscription,
    TradePage,
)
from providers.connection import ConnectionStatus
from tests.conformance.providers import CASES, SYMBOLS, Case, Desk, desk, until

ROOT = Path(__file__).resolve().parents[2]
EVER = 2**62
QUIET_NS = 20_000
FIRST, SECOND = SYMBOLS


@pytest.fixture(params=list(CASES))
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Case:
    """Each provider in turn."""
    monkeypatch.setitem(PUBLISHERS, "TOY", Publisher("TOY", OWN_PUBLISHERS + 255, "TOY"))
    return CASES[request.param]


def granted(subscription: Subscription) -> bool:
    """Whether every channel is given."""
    return all(status.standing is Standing.GRANTED for status in subscription.values())


def withheld(records: Records) -> NDArray[np.bool_]:
    """Which of some books are none, but say that the last one is not to be shown."""
    return np.asarray(records["flags"] & F_MAYBE_BAD_BOOK != 0)


def standing(bench: Desk) -> ConnectionStatus:
    """Where the connection stands now."""
    return bench.provider.connection.status


@pytest.mark.trio
async def test_the_catalogue_goes_both_ways(case: Case) -> None:
    """Canonical names by the grammar; from name to instrument to name; what is not listed is not found."""
    async with desk(case) as bench:
        listed = bench.catalogue
        assert listed.venue == bench.provider.venue == bench.provider.info.venue
        assert len(listed) >= 2
        for each in listed.instruments():
            assert parse_symbols(each.symbol) == (each.symbol,)
            assert each.venue == listed.venue
            assert listed.to_canonical(each.venue_symbol) == each.symbol
            assert listed.resolve(each.venue_symbol).venue_symbol == each.venue_symbol
            if each.symbol not in listed.ambiguous:
                assert listed.to_venue(each.symbol) == each.venue_symbol
        with pytest.raises(NotFoundError):
            listed.resolve("NOPE")


@pytest.mark.trio
async def test_info_is_true(case: Case) -> None:
    """It says what the provider is, where it is described, and whether there is a past to ask for."""
    async with desk(case) as bench:
        info, provider = bench.provider.info, bench.provider
        assert attrs.evolve(info, venue="", name="") == attrs.evolve(case.info, venue="", name="")
        assert (provider.venue, provider.connection.venue) == (info.venue, info.venue)
        page, _, heading = info.page.partition("#")
        text = (ROOT / page).read_text()
        assert not heading or f"\n## {heading.replace('-', ' ')}\n" in text.lower()
        past = provider.history()
        assert (past is None) is not info.has_history
        assert info.numbers_history or not isinstance(past, HistoricalById)
        assert set(info.schemas) <= set(STREAMED)


def test_a_recording_has_no_past(case: Case) -> None:
    """What ends when it was played has nothing to ask for, and says so."""
    stream_url = "127.0.0.1:9" if case.info.needs_key else "ws://127.0.0.1:9/x"
    recorded = case.make(Endpoints(stream_url=stream_url, rest_url="http://127.0.0.1:9", ends_on_clean_close=True))
    assert (recorded.history(), recorded.info.has_history) == (None, False)


@pytest.mark.trio
async def test_a_stream_gives_its_counters_and_all_its_schemas(case: Case) -> None:
    """Counters come first, one a symbol in order; then records of the schemas named and no others, under the right
    publisher and number; trades are numbered one by one where that is said."""
    async with desk(case) as bench, trio.open_nursery() as nursery:
        instruments = [bench.instrument(symbol) for symbol in SYMBOLS]
        counters = await bench.begin(nursery, *instruments)
        assert [each.instrument for each in counters] == instruments
        for symbol in SYMBOLS:
            await until(bench.streams(symbol))
        nursery.cancel_scope.cancel()
    for each, instrument in zip(counters, instruments, strict=True):
        _check_records(bench, instrument.symbol)
        assert each.trades == len(bench.sink.records(each.instrument.symbol, Schema.TRADES))
        assert (each.duplicates, each.gaps, each.rejected, each.out_of_order) == (0, 0, 0, 0)
    assert bench.provider.connection.malformed == 0


def _check_records(bench: Desk, symbol: str) -> None:
    came = {schema for schema in STREAMED if bench.sink.pushes(symbol, schema)}
    assert came == set(bench.provider.info.schemas)
    for schema in came:
        records = bench.sink.records(symbol, schema)
        stamps = set(zip(records["publisher_id"].tolist(), records["instrument_id"].tolist(), strict=True))
        assert stamps == {bench.case.stamps(bench.instrument(symbol))}
    trades = bench.sink.records(symbol, Schema.TRADES)
    ids = [newest_id for _, newest_id in bench.sink.pushes(symbol, Schema.TRADES)]
    if bench.provider.info.numbers_trades:
        assert all(late == early + 1 for early, late in pairwise(trades["sequence"].tolist()))
        assert ids[-1] & 0xFFFF_FFFF == trades["sequence"][-1]
    else:
        assert not any(ids)
    assert (np.diff(trades["ts_event"].astype(np.int64)) >= 0).all()


@pytest.mark.trio
async def test_symbols_come_and_go(case: Case) -> None:
    """One is added and taken away while another streams on, which notices nothing."""
    async with desk(case) as bench, trio.open_nursery() as nursery:
        (stays,) = await bench.begin(nursery, bench.instrument(FIRST))
        await until(bench.streams(FIRST))
        goes = bench.provider.subscribe(bench.instrument(SECOND))
        assert bench.provider.subscribe(bench.instrument(SECOND)) is goes
        assert set(bench.provider.subscriptions()) == set(SYMBOLS)
        await until(bench.streams(SECOND))
        assert list(bench.counters) == [stays, goes]
        bench.provider.unsubscribe(SECOND)
        assert set(bench.provider.subscriptions()) == {FIRST}
        assert goes.book_state is BookState.NONE
        before = {schema: len(bench.sink.pushes(SECOND, schema)) for schema in STREAMED}
        assert withheld(bench.sink.records(SECOND, Schema.BOOK))[-1]
        await until(bench.streams(FIRST))
        assert {schema: len(bench.sink.pushes(SECOND, schema)) for schema in STREAMED} == before
        bench.provider.unsubscribe("NOPE")
        assert (stays.gaps, stays.reconnects, stays.duplicates, stays.problem) == (0, 0, 0, "")
        assert not withheld(bench.sink.records(FIRST, Schema.BOOK)).any()
        assert bench.provider.connection.malformed == 0
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_subscriptions_say_what_the_venue_says(case: Case) -> None:
    """Nothing before the stream; each channel asked for and then given; one that is refused has the reason, as its
    counters have, and the other symbol streams on."""
    async with desk(case) as bench, trio.open_nursery() as nursery:
        assert bench.provider.subscriptions() == {}
        await bench.begin(nursery, bench.instrument(FIRST))
        begun = bench.provider.subscriptions()
        assert set(begun) == {FIRST}
        assert begun[FIRST]
        await until(lambda: granted(bench.provider.subscriptions()[FIRST]))
        await until(bench.streams(FIRST))
        refused = bench.provider.subscribe(bench.unknown())
        await until(lambda: bool(refused.problem))
        said = bench.provider.subscriptions()["NOPE"]
        assert {status.standing for status in said.values()} <= {Standing.REFUSED, Standing.ASKED}
        await until(lambda: all(
            status.standing is Standing.REFUSED and status.reason.isprintable() and status.reason
            for status in bench.provider.subscriptions()["NOPE"].values()
        ))  # fmt: skip
        assert granted(bench.provider.subscriptions()[FIRST])
        await until(bench.streams(FIRST))
        assert refused.trades == 0
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_venue_that_refuses_everything_ends_the_stream(case: Case) -> None:
    """A stream whose every symbol is refused raises, and the connection stands at an error."""
    async with desk(case) as bench:
        with pytest.raises(PermanentError):
            await bench.provider.stream([bench.unknown()], bench.sink)
        assert bench.provider.connection.status is ConnectionStatus.ERROR
        assert bench.provider.connection.reason
        assert bench.provider.subscriptions() == {}


@pytest.mark.trio
async def test_to_cancel_is_to_disconnect(case: Case) -> None:
    """A stream that was cancelled leaves a true state: no connection, no book, nothing to subscribe to. It may begin
    again, and no trade comes twice."""
    async with desk(case) as bench:
        for _ in range(2):
            async with trio.open_nursery() as nursery:
                (counters,) = await bench.begin(nursery, bench.instrument(FIRST))
                await until(bench.streams(FIRST))
                assert standing(bench) is ConnectionStatus.CONNECTED
                nursery.cancel_scope.cancel()
            assert standing(bench) is ConnectionStatus.DISCONNECTED
            assert counters.book_state is not BookState.LIVE
            assert withheld(bench.sink.records(FIRST, Schema.BOOK))[-1]
            assert bench.provider.subscriptions() == {}
            with pytest.raises(RefusedError):
                bench.provider.subscribe(bench.instrument(FIRST))
            with pytest.raises(RefusedError):
                bench.provider.unsubscribe(FIRST)


@pytest.mark.trio
async def test_a_cut_is_mended(case: Case) -> None:
    """After a cut it connects again by itself: counted, the book withheld and shown anew, no trade twice, everything
    granted again."""
    async with desk(case) as bench, trio.open_nursery() as nursery:
        (counters,) = await bench.begin(nursery, bench.instrument(FIRST))
        await until(bench.streams(FIRST))
        assert bench.way.cut() == 1
        await until(lambda: counters.reconnects == 1)
        await until(bench.streams(FIRST))
        await until(lambda: granted(bench.provider.subscriptions()[FIRST]))
        assert bench.provider.connection.status is ConnectionStatus.CONNECTED
        assert bench.provider.connection.reconnects == 1
        trades = bench.sink.records(FIRST, Schema.TRADES)
        assert len(np.unique(trades["sequence"])) == len(trades) == counters.trades
        assert withheld(bench.sink.records(FIRST, Schema.BOOK)).sum() == 1
        nursery.cancel_scope.cancel()


async def _trades(past: Historical, bench: Desk, *, start_ns: int, end_ns: int) -> TradePage:
    pages = [page async for page in past.trades(bench.instrument(FIRST), start_ns=start_ns, end_ns=end_ns)]
    assert sum(page.rejected for page in pages) == 0
    return TradePage(
        records=np.concatenate([np.zeros(0, Schema.TRADES.dtype), *(page.records for page in pages)]),
        ids=np.concatenate([np.zeros(0, np.int64), *(page.ids for page in pages)]),
    )


async def _bars(pages: AsyncIterator[BarPage]) -> Records:
    found = [page.bars async for page in pages]
    assert found
    return np.concatenate(found)


def _edge(case: Case, trades: Records, begin: int, end: int) -> int:
    """The instant of one of some trades; where the past is not exact, one that no rounding moves across a trade."""
    instants = trades["ts_event"].tolist()[begin:end]
    if not case.past_error_ns:
        return int(instants[-1])
    return next(int(late) - QUIET_NS // 2 for early, late in pairwise(instants) if late - early > QUIET_NS)


@pytest.mark.trio
async def test_the_past_tells_what_was_streamed(case: Case) -> None:
    """A range tells the trades that the stream brought, each once, its end excluded; two ranges side by side tell all
    of both; a provider without a past has none of it."""
    async with desk(case) as bench, trio.open_nursery() as nursery:
        await bench.begin(nursery, bench.instrument(FIRST))
        await until(bench.streams(FIRST, trades=40))
        streamed = bench.sink.records(FIRST, Schema.TRADES)
        past = bench.provider.history()
        if past is None:
            assert not bench.provider.info.has_history
        else:
            quarter = len(streamed) // 4
            edges = [_edge(case, streamed, at * quarter, (at + 1) * quarter + 1) for at in range(4)]
            halves = [
                await _trades(past, bench, start_ns=start_ns, end_ns=end_ns)
                for start_ns, end_ns in ((edges[0], edges[1]), (edges[1], edges[3]))
            ]
            told = np.concatenate([half.records for half in halves])
            _assert_same(case, told, streamed[(streamed["ts_event"] >= edges[0]) & (streamed["ts_event"] < edges[3])])
            if bench.provider.info.numbers_history:
                assert [int(each) & 0xFFFF_FFFF for half in halves for each in half.ids] == told["sequence"].tolist()
            if isinstance(past, HistoricalById):
                first, last = (int(halves[1].ids[at]) for at in (1, -2))
                pages = past.trades_from_id(bench.instrument(FIRST), first_id=first, last_id=last)
                assert [int(each) async for page in pages for each in page.ids] == list(range(first, last + 1))
        nursery.cancel_scope.cancel()


def _assert_same(case: Case, told: Records, streamed: Records) -> None:
    assert len(told) == len(streamed) > 10
    names = ["price", "side", "publisher_id", "instrument_id"]
    assert told[names].tolist() == streamed[names].tolist()
    assert quantities_e8(told).tolist() == quantities_e8(streamed).tolist()
    off_ns = np.abs(told["ts_event"].astype(np.int64) - streamed["ts_event"].astype(np.int64))
    assert off_ns.max() <= case.past_error_ns
    assert (told["flags"] & F_RECOVERED == F_RECOVERED).all()
    if case.info.numbers_history:
        assert told["sequence"].tolist() == streamed["sequence"].tolist()


@pytest.mark.trio
async def test_bars_are_those_of_the_trades(case: Case) -> None:
    """The minutes that are over are what the trades in them make, their ends are excluded, and the first trade is
    where it is said to be."""
    async with desk(case, rate=0.01) as bench:
        past = bench.provider.history()
        if past is None:
            assert not bench.provider.info.has_history
            return
        instrument, bars_of = bench.instrument(FIRST), Timeframe.MINUTE
        if case.info.name.startswith("kraken_futures"):
            await past.availability(instrument)  # which brings the market to life
        told = await _bars(past.bars(instrument, bars_of, start_ns=0, end_ns=wall_ns()))
        trades = await _trades(past, bench, start_ns=0, end_ns=int(told["ts_event"][-1]) + 60 * NS_PER_S)
        made = bars_of.bars(trades.records)
        names = [name for name in made.dtype.names or () if case.counts_trades or name != "trades"]
        assert told[names].tolist() == made[names].tolist()
        last_ns = int(told["ts_event"][-1])
        assert (
            len(told) == 1
            or (await _bars(past.bars(instrument, bars_of, start_ns=0, end_ns=last_ns)))["ts_event"].tolist()
            == told["ts_event"].tolist()[:-1]
        )
        available = await past.availability(instrument)
        assert available.first_trade_ns is not None
        assert abs(available.first_trade_ns - int(trades.records["ts_event"][0])) <= case.past_error_ns


@pytest.mark.trio
async def test_the_past_of_the_unknown_is_not_found(case: Case) -> None:
    """A name that the venue does not know is an error in its words, and a range before everything is empty."""
    async with desk(case) as bench:
        past = bench.provider.history()
        if past is None:
            assert not bench.provider.info.has_history
            return
        with pytest.raises(NotFoundError):
            await past.availability(bench.unknown())
        assert len((await _trades(past, bench, start_ns=1, end_ns=NS_PER_S)).records) == 0
