"""Another program's one-minute bars, in an interpreter that has it: `_bar_peer_program.py PEER FILE RUNS`.

FILE holds trades as columns of numpy. What the program keeps them in (its frame, its table) is made before the clock
runs. Prints one object of JSON: the milliseconds of each run, the number of bars and the sums of their columns. It
imports nothing of this project.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

NAMES = ("open", "high", "low", "close", "volume", "trades")
_SQL = """
    select arg_min(price, ts), max(price), min(price), arg_max(price, ts), sum(volume)::bigint, count(*)
    from trades group by ts // 60_000_000_000 order by ts // 60_000_000_000
"""


def main(peer: str, path: str, runs: str) -> None:
    """Print what the runs took and brought."""
    columns = np.load(path)
    run = _PEERS[peer](columns["ts_ns"], columns["price_e9"], columns["quantity_e8"])
    took_ms, found = [], []
    for _ in range(int(runs)):
        began_s = time.perf_counter()
        found = run()
        took_ms.append((time.perf_counter() - began_s) * 1000)
    sums = [int(np.asarray(column).astype(np.int64).sum()) for column in found]
    print(json.dumps({"ms": took_ms, "bars": len(found[0]), "sums": sums}))


def _polars(ts_ns: Any, price: Any, quantity: Any) -> Callable[[], list[Any]]:
    pl = importlib.import_module("polars")
    times = pl.Series("ts", ts_ns).cast(pl.Datetime("ns")).set_sorted()
    frame = pl.DataFrame({"ts": times, "price": price, "volume": quantity})
    column = pl.col("price")
    wanted = (column.first().alias("open"), column.max().alias("high"), column.min().alias("low"),
              column.last().alias("close"), pl.col("volume").sum(), pl.len().alias("trades"))  # fmt: skip

    def run() -> list[Any]:
        bars = frame.group_by_dynamic("ts", every="1m").agg(*wanted)
        return [bars[name].to_numpy() for name in NAMES]

    return run


def _pandas(ts_ns: Any, price: Any, quantity: Any) -> Callable[[], list[Any]]:
    pandas = importlib.import_module("pandas")
    frame = pandas.DataFrame({"price": price, "volume": quantity}, index=pandas.DatetimeIndex(ts_ns))

    def run() -> list[Any]:
        minutes = frame.resample("1min")
        prices = minutes["price"].ohlc()
        columns = [prices[name].to_numpy() for name in NAMES[:4]]
        return [*columns, minutes["volume"].sum().to_numpy(), minutes["price"].count().to_numpy()]

    return run


def _duckdb(ts_ns: Any, price: Any, quantity: Any) -> Callable[[], list[Any]]:
    database = importlib.import_module("duckdb").connect()
    given = {"ts": ts_ns, "price": price, "volume": quantity}
    database.register("given", importlib.import_module("pandas").DataFrame(given))
    database.execute("create table trades as select * from given")

    def run() -> list[Any]:
        return list(database.execute(_SQL).fetchnumpy().values())

    return run


_PEERS: dict[str, Callable[[Any, Any, Any], Callable[[], list[Any]]]] = {
    "polars": _polars,
    "pandas": _pandas,
    "duckdb": _duckdb,
}

if __name__ == "__main__":
    main(*sys.argv[1:])
