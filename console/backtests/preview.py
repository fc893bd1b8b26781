"""What data looks like before anything is run on it: the facts, and its bars in at most some hundred rows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from console.backtests.document import SCHEMA_VERSION, instrument_facts
from console.backtests.facts import described
from console.backtests.preparing import Market
from core.bars.series import BarSeries
from core.clock import iso_ns
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.store.columns import exact

MOST_ROWS: Final = 300


def preview(market: Market, *, bars: str, command: str) -> dict[str, Any]:
    """The facts of the data and its bars, `bars_each` of them put together in each row."""
    each = max(-(-len(market.closed) // MOST_ROWS), 1)
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "preview",
        "command": command,
        "instrument": instrument_facts(market.instrument, assumed=market.assumed),
        "data": described(market.facts),
        "timeframe": bars,
        "bars_each": each,
        "bars": _rows(market.closed, each),
        "warnings": list(market.warnings),
    }


def _rows(closed: BarSeries, each: int) -> list[dict[str, Any]]:
    count = len(closed)
    if not count:
        return []
    first = np.arange(0, count, each)
    last = np.minimum(first + each, count) - 1
    columns = {
        "open_ns": closed.open_ns[first],
        "open": closed.open_e9[first],
        "high": np.maximum.reduceat(closed.high_e9, first),
        "low": np.minimum.reduceat(closed.low_e9, first),
        "close": closed.close_e9[last],
        "trades": np.add.reduceat(closed.tick_count, first),
        "synthetic": np.add.reduceat(closed.is_synthetic.astype(np.int64), first),
    }
    # As Python's integers: a sum of volumes may be beyond 64 bits.
    volumes = closed.volume_e8.tolist()
    rows = []
    for at, values in enumerate(zip(*(column.tolist() for column in columns.values()), strict=True)):
        row = dict(zip(columns, values, strict=True))
        volume_e8 = sum(volumes[first[at] : last[at] + 1])
        rows.append(
            {
                "time": iso_ns(row["open_ns"]),
                "ts_event_ns": row["open_ns"],
                **{name: exact(row[name], PRICE_DECIMALS) for name in ("open", "high", "low", "close")},
                "volume": exact(volume_e8, QUANTITY_DECIMALS),
                "trades": row["trades"],
                "synthetic": row["synthetic"],
            }
        )
    return rows
