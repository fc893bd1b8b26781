"""What the archive of the generated Databento sells of long before it began: the same from every run."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from core.clock import DAY_NS, NS_PER_MS, wall_ns
from core.model.records import TRADE, Records, Schema
from providers.databento.history import RangeRequest
from providers.simulated.databento_library import Library, index_ns
from providers.simulated.databento_market import BARS_MS, DATASET, PUBLISHER, MarketTape
from providers.simulated.deep_past import BEGINS_MS
from providers.simulated.market import MarketSource
from providers.simulated.universe import UNIVERSE
from tests.unit.providers.databento.support import archive

SYMBOLS = ("BTCUSD", "DOGEUSD", "SHIBUSD")
NUMBERS = [number for number, listing in enumerate(UNIVERSE, start=1) if listing.symbol in SYMBOLS]
START_NS = BEGINS_MS * NS_PER_MS + 1234 * DAY_NS
END_NS = START_NS + 2 * DAY_NS


def _library(began_ms: int | None = None, seed: int = 7) -> Library:
    return MarketTape(MarketSource(seed, SYMBOLS, first_id=began_ms or wall_ns() // NS_PER_MS)).library


def _excerpt(library: Library, schema: str, start_ns: int = START_NS, end_ns: int = END_NS) -> Records:
    return library.excerpt(schema, SYMBOLS, start_ns=start_ns, end_ns=end_ns)


def test_every_run_sells_the_same() -> None:
    """Trades of all markets in the order of time, to the octet, whole or in parts; another seed has others."""
    found = _excerpt(_library(), "trades")
    assert found.dtype == TRADE
    assert len(found) > 10_000
    times = index_ns(found).astype(np.int64)
    assert (np.diff(times) >= 0).all()
    assert START_NS <= times[0] < times[-1] < END_NS
    assert set(found["instrument_id"].tolist()) == set(NUMBERS)
    assert set(found["publisher_id"].tolist()) == {PUBLISHER}
    other, middle = _library(wall_ns() // NS_PER_MS - 10**6), int(times[5000]) - 1
    parts = [_excerpt(other, "trades", end_ns=middle), _excerpt(other, "trades", start_ns=middle)]
    assert np.concatenate(parts).tobytes() == found.tobytes()
    assert _excerpt(_library(seed=8), "trades").tobytes() != found.tobytes()
    alone = MarketTape(MarketSource(7, ("SHIBUSD",), first_id=wall_ns() // NS_PER_MS)).library
    part = alone.excerpt("trades", ("SHIBUSD",), start_ns=START_NS, end_ns=END_NS)
    assert part.tobytes() == found[found["instrument_id"] == NUMBERS[2]].tobytes()


@pytest.mark.parametrize("schema", BARS_MS)
def test_bars_are_those_of_the_trades(schema: Schema) -> None:
    """Of every length and market, volumes included, although quantities are cut to 32 bits by the record."""
    library, interval_ns = _library(), BARS_MS[schema] * NS_PER_MS
    trades, bars = _excerpt(library, "trades"), _excerpt(library, schema)
    assert set(bars["rtype"].tolist()) == {schema.rtype}
    for number in NUMBERS:
        own, told = trades[trades["instrument_id"] == number], bars[bars["instrument_id"] == number]
        begins = index_ns(own) // np.uint64(interval_ns) * np.uint64(interval_ns)
        assert told["ts_event"].tolist() == np.unique(begins).tolist()
        for bar in told[:: max(1, len(told) // 50)]:
            within = own[begins == bar["ts_event"]]
            prices = within["price"]
            assert [bar[name] for name in ("open", "high", "low", "close", "volume")] == [
                prices[0], prices.max(), prices.min(), prices[-1], int(within["size"].astype(np.int64).sum())
            ]  # fmt: skip


def test_bars_that_are_not_over_are_not_sold() -> None:
    """The last bar ended before the market began: a later run would tell it otherwise."""
    library, now_ns = _library(), wall_ns()
    for schema, interval_ms in BARS_MS.items():
        newest_ns = int(_excerpt(library, schema, now_ns - 9 * DAY_NS, now_ns + DAY_NS)["ts_event"][-1])
        assert newest_ns + interval_ms * NS_PER_MS <= now_ns


def test_where_numbers_leave_no_room_there_is_no_past() -> None:
    """A market numbered from a small number sells what happened since it began."""
    library = _library(1_000_000)
    assert library.schemas == ("trades", "mbp-1", "mbp-10", "definition")
    assert len(_excerpt(library, "trades")) == 0
    assert library.span_ns[0] > START_NS
    assert set(map(str, BARS_MS)) < set(_library().schemas)


@pytest.mark.trio
async def test_the_vendors_client_buys_it(tmp_path: Path) -> None:
    """Since 2020, by the vendor's own client: counted, priced and downloaded, whole."""
    async with archive(_library()) as (history, _):
        span = await history.ask(partial(history.dataset_range, DATASET))
        assert span.start_ns == BEGINS_MS * NS_PER_MS
        for schema in ("trades", "ohlcv-1h"):
            asked = RangeRequest(
                dataset=DATASET, schema=schema, symbols=("BTCUSD",), start_ns=START_NS, end_ns=END_NS
            )
            count = await history.ask(partial(history.record_count, asked))
            assert count >= 48
            assert await history.ask(partial(history.cost_usd, asked)) > 0
            download = await history.fetch(asked, tmp_path / f"{schema}.dbn.zst", expected=count)
            assert download.records == count
