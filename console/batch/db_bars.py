"""`db bars`: bars of a series, made from its trades, with exact numbers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.db_options import (
    add_count_options,
    add_range_options,
    add_series_options,
    check_counts,
    wanted_range,
)
from console.batch.db_target import add_store_option, find_target, open_reader

if TYPE_CHECKING:
    from core.model.records import Records

PRICES = ("open", "high", "low", "close")
COLUMNS = ("time", "ts_event_ns", *PRICES, "volume", "trades")


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    add_series_options(parser, schema=False)
    add_range_options(parser)
    parser.add_argument("--timeframe", default="1m", help="1m 5m 15m 30m 1h 4h 1d or 1w (default: 1m)")
    add_count_options(parser)
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the bars, oldest first; a bar in which nothing was traded is left out."""
    from core.bars.timeframes import Timeframe
    from core.store.ticks import TickRepository

    timeframe = Timeframe.parse(arguments.timeframe)
    check_counts(arguments)
    arguments.schema = "trades"
    with open_reader(find_target(arguments)) as reading:
        wanted = wanted_range(reading.ticks, arguments)
        repository = TickRepository(reading.ticks)
        bars = repository.bars(wanted.series, timeframe, wanted.start_ns, wanted.end_ns)
    if arguments.last is not None:
        bars = bars[-arguments.last :]
    if arguments.limit is not None:
        bars = bars[: arguments.limit]
    if not len(bars):
        output.talk("nothing in that time")
    envelope = {
        "schema_version": 1,
        "venue": wanted.series.venue,
        "symbol": wanted.series.symbol,
        "timeframe": timeframe.value,
    }
    output.write_rows(bar_rows(bars), form=arguments.format, envelope=envelope, columns=COLUMNS)
    return 0


def bar_rows(bars: Records) -> list[dict[str, Any]]:
    """Bars, as `CANDLE` records, one mapping each: `time` is when a bar begins."""
    from core.clock import iso_ns
    from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
    from core.store.columns import exact

    return [
        {
            "time": iso_ns(bar["ts_event"]),
            "ts_event_ns": bar["ts_event"],
            **{name: exact(bar[name], PRICE_DECIMALS) for name in PRICES},
            "volume": exact(bar["volume"], QUANTITY_DECIMALS),
            "trades": bar["trades"],
        }
        for bar in (dict(zip(bars.dtype.names or (), values, strict=True)) for values in bars.tolist())
    ]
