"""Trades to run backtests on: a seeded walk, in a store or in files; and strategies that misbehave."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs
import databento_dbn as dbn
import numpy as np

from console.backtests.validation import Trades
from core.model.fixedpoint import split_quantities
from core.model.instruments import Instrument, Product
from core.model.records import LEVELS, Records, Schema
from core.store.repository import SeriesKey
from tests.conformance.ticks import DAY_NS, T0, TRADES, ticks
from tests.unit.console.batch.running import Console, fill

SERIES: Final = TRADES
HOUR_NS: Final = DAY_NS // 24
RUN: Final = ("backtest", "--strategy", "sma", "--param", "short=3", "--param", "long=8", "--symbol", "BTCUSD")


def walk(count: int = 4000, *, seed: int = 7, step_ns: int = 5_000_000_000, series: SeriesKey = SERIES) -> Records:
    """Trades whose price walks in steps of 0.1 round 42 000, one every `step_ns`, with ids from 1 on."""
    chance = np.random.default_rng(seed)
    made = ticks(range(1, count + 1), series=series, stamps=[T0 + step_ns * number for number in range(count)])
    made["price"] = (420_000 + np.cumsum(chance.integers(-40, 41, count))) * 100_000_000
    low, high = split_quantities(chance.integers(1, 10**8, count))
    made["size"], made["ts_in_delta"] = low, high.view(np.int32)
    made["side"] = np.where(chance.random(count) < 0.5, b"B", b"A")
    return made


def found_trades(
    stamps: Sequence[int], prices: Sequence[int], *, ids: Sequence[int] | None = None, quantity_e8: int = 5
) -> Trades:
    """Trades of these instants, prices and ids."""
    return Trades(
        ts_event=np.array(stamps, np.uint64),
        price_e9=np.array(prices, np.int64),
        quantity_e8=np.full(len(stamps), quantity_e8, np.int64),
        side=np.full(len(stamps), ord("B"), np.uint8),
        ids=np.array(ids if ids is not None else [0] * len(stamps), np.int64),
    )


def books(trades: Records) -> Records:
    """A book at the instant of each of these trades: ten levels a side in steps of 0.1, each of half a coin."""
    series = SeriesKey(SERIES.venue, SERIES.symbol, Schema.BOOK)
    made = ticks(range(1, len(trades) + 1), series=series, stamps=trades["ts_event"].tolist())
    low, high = split_quantities([50_000_000])
    for level in range(LEVELS):
        for side, sign in (("bid", -1), ("ask", 1)):
            made[f"{side}_px_{level:02d}"] = trades["price"] + sign * (level + 1) * 100_000_000
            made[f"{side}_sz_{level:02d}"], made[f"{side}_ct_{level:02d}"] = low, high
    return made


def bitcoin(venue: str = "KRAKEN") -> Instrument:
    """What the venue says of what `walk` trades."""
    return Instrument(
        venue=venue,
        symbol="BTCUSD",
        venue_symbol="XBT/USD",
        canonical="BTCUSD",
        base="BTC",
        quote="USD",
        settle="USD",
        product=Product.SPOT,
        price_decimals=1,
        quantity_decimals=8,
        price_increment_e9=100_000_000,
        quantity_increment_e8=1,
        instrument_id=7,
    )


def stored(count: int = 4000, *, described: bool = True) -> Records:
    """Put a walk into this test's store."""
    records = walk(count)
    fill((SERIES, records, count), instruments=(bitcoin(),) if described else ())
    return records


def foreign_file(
    path: Path, records: Records, *, symbols: tuple[str, ...] = ("ESZ5",), dataset: str = "GLBX.MDP3"
) -> Path:
    """A vendor's file: whole units, no ids, instruments numbered from 1 on."""
    made = records.copy()
    made["publisher_id"], made["size"], made["ts_in_delta"] = 1, 1 + made["size"] % 9, 0
    made["instrument_id"] = 1 + np.arange(len(made)) % len(symbols)
    path.write_bytes(_header(dataset, symbols) + made.tobytes())
    return path


@attrs.define
class _Interval:
    start_date: datetime.date
    end_date: datetime.date
    symbol: str


@attrs.define
class _Mapping:
    raw_symbol: str
    intervals: Sequence[Any]


def _header(dataset: str, symbols: tuple[str, ...]) -> bytes:
    day = datetime.datetime.fromtimestamp(T0 // 10**9, datetime.UTC).date()
    year = datetime.timedelta(days=400)
    metadata = dbn.Metadata(
        dataset=dataset, start=T0, end=T0 + 400 * DAY_NS, limit=None, stype_in=dbn.SType.from_str("raw_symbol"),
        stype_out=dbn.SType.from_str("instrument_id"), schema=dbn.Schema.from_str("trades"), symbols=list(symbols),
        partial=[], not_found=[], version=3,
        mappings=[
            _Mapping(symbol, (_Interval(day, day + year, str(number)),)) for number, symbol in enumerate(symbols, 1)
        ],
    )  # fmt: skip
    return bytes(metadata.encode())


def strategy_file(console: Console, path: Path, body: str, method: str = "") -> Path:
    """A user's strategy whose `on_bar_data` is `body`, with another method on top, approved."""
    path.write_text(
        "import time\n"
        "from core.strategy import BUY, HOLD, SELL, Strategy\n"
        "from core.bars.spec import BarDataMode\n\n\n"
        "class Mine(Strategy):\n"
        "    @property\n"
        "    def name(self):\n"
        "        return 'mine'\n\n"
        "    def bar_data_mode(self):\n"
        "        return BarDataMode.ON_CLOSE_BAR\n\n"
        "    def on_bar_data(self, bar):\n"
        + "".join(f"        {line}\n" for line in body.splitlines())
        + f"\n    {method}\n"
    )
    assert console("hash-strategy", str(path), "--approve").code == 0
    return path
