"""The embedded store: appending with dedupe, day roll and sync, reading a range and a day, sealed bytes a tick."""

from __future__ import annotations

import gc
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from core.clock import DAY_NS
from core.model.publishers import PUBLISHERS
from core.model.records import Records, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from perf.figures import Figure

ROUNDS = 5
TICKS = 1_000_000
BATCH = 1000
DAY = 20_000
RANGE_NS = 600 * 10**9
COLUMNS = ("ts_event", "price", "size")
SERIES = SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES)


def measure() -> list[Figure]:
    """Each figure is the best of some rounds: other work on the machine only ever adds."""
    with tempfile.TemporaryDirectory(prefix="ringside-perf-") as name:
        home = Path(name)
        trades = random_walk()
        figures = [_append(home, trades)]
        catalogue = Catalogue(home / "catalogue.sqlite3")
        store = EmbeddedTickStore(home / "ticks", catalogue)
        store.append(SERIES, trades, TICKS)
        store.sync()
        figures += _read(home, next((home / "ticks").rglob("*.dbn")))
        [sealed] = store.compress(DAY + 1)
        figures.append(
            Figure("sealed trades", sealed.sealed_bytes / sealed.rows, 48, "bytes/tick", "the plain record")
        )
        if find_spec("polars") is not None:
            parquet = _best_s(lambda: _write_parquet(home / "again.parquet", trades), 1)
            figures.append(Figure("sealing a day of 1 M ticks", sealed.seconds, parquet, "s", "polars, to Parquet"))
        store.close()
        catalogue.close()
    return figures


def random_walk() -> Records:
    """A day of trades of one instrument: prices wander by 0.1, sizes are log-normal, some instants are shared."""
    choose = np.random.default_rng(7)
    trades = np.zeros(TICKS, SERIES.schema.dtype)
    trades["length"], trades["publisher_id"] = 12, PUBLISHERS["KRAKEN"].publisher_id
    trades["instrument_id"] = 1
    stamps = np.sort(choose.integers(0, DAY_NS, TICKS // 2, np.uint64)) // np.uint64(1000) * np.uint64(1000)
    trades["ts_event"] = np.sort(stamps[choose.integers(0, len(stamps), TICKS)]) + np.uint64(DAY * DAY_NS)
    trades["ts_recv"] = trades["ts_event"] + choose.integers(2_000_000, 9_000_000, TICKS, np.uint64)
    moves = choose.choice([-2, -1, 0, 1, 2], TICKS, p=[0.05, 0.15, 0.6, 0.15, 0.05])
    trades["price"] = (900_000 + np.cumsum(moves)) * 10**8
    trades["size"] = np.minimum(np.exp(choose.normal(14, 2, TICKS)), 2**32 - 2).astype(np.uint32)
    trades["action"], trades["side"], trades["flags"] = b"T", choose.choice([b"A", b"B"], TICKS), 128
    trades["sequence"] = np.arange(1, TICKS + 1)
    return trades


def _best_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def _append(home: Path, trades: Records) -> Figure:
    rolling = trades.copy()
    rolling["ts_event"] += np.arange(TICKS, dtype=np.uint64) // np.uint64(TICKS // 3) * np.uint64(DAY_NS)
    batches = [rolling[first : first + BATCH].copy() for first in range(0, TICKS, BATCH)]
    ours, raw = [], []
    for turn in range(ROUNDS):
        ours.append(TICKS / _store_s(home / f"append-{turn}", batches) / 1e6)
        raw.append(TICKS / _write_s(home / f"raw-{turn}", batches) / 1e6)
    work = f"append, {BATCH} a batch, dedupe, day roll, sync each second"
    return Figure(work, max(ours), max(raw), "M ticks/s", "os.write of the same bytes, fdatasync each second")


def _store_s(home: Path, batches: list[Records]) -> float:
    catalogue = Catalogue(home / "catalogue.sqlite3")
    store = EmbeddedTickStore(home / "ticks", catalogue)
    began = synced = time.perf_counter()
    for number, batch in enumerate(batches, start=1):
        store.append(SERIES, batch, number * BATCH)
        if time.perf_counter() - synced > 1:
            store.sync()
            synced = time.perf_counter()
    store.sync()
    took_s = time.perf_counter() - began
    store.close()
    catalogue.close()
    return took_s


def _write_s(path: Path, batches: list[Records]) -> float:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    began = synced = time.perf_counter()
    for batch in batches:
        os.write(fd, batch.view(np.uint8).data)
        if time.perf_counter() - synced > 1:
            os.fdatasync(fd)
            synced = time.perf_counter()
    os.fdatasync(fd)
    took_s = time.perf_counter() - began
    os.close(fd)
    return took_s


def _read(home: Path, path: Path) -> list[Figure]:
    history = EmbeddedHistory(home / "ticks")
    noon = DAY * DAY_NS + DAY_NS // 2
    part = _best_s(lambda: history.read(SERIES, noon, noon + RANGE_NS), 200) * 1e3
    whole = _best_s(lambda: history.columns(SERIES, 0, 2**63, COLUMNS)) * 1e3
    databento = _best_s(lambda: _columns_by_databento(path)) * 1e3
    figures = [
        Figure("10 minutes of a day of 1 M ticks", part, databento, "ms", "DBNStore.to_ndarray of the day"),
        Figure("1 M ticks to contiguous columns", whole, databento, "ms", "DBNStore.to_ndarray, copied columns"),
    ]
    if find_spec("polars") is not None:
        parquet = home / "day.parquet"
        _write_parquet(parquet, history.read(SERIES, 0, 2**63))
        polars = _best_s(lambda: _columns_by_polars(parquet)) * 1e3
        polars_part = _best_s(lambda: _range_by_polars(parquet, noon)) * 1e3
        figures += [
            Figure("10 minutes of a day of 1 M ticks", part, polars_part, "ms", "polars, Parquet, filtered scan"),
            Figure("1 M ticks to contiguous columns", whole, polars, "ms", "polars, Parquet, the same columns"),
        ]
    return figures


def _columns_by_databento(path: Path) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import databento

        found = databento.DBNStore.from_file(path).to_ndarray()
    columns = [np.ascontiguousarray(found[name]) for name in COLUMNS]
    gc.collect()
    return columns


def _columns_by_polars(path: Path) -> list[Any]:
    import polars

    frame = polars.read_parquet(path, columns=list(COLUMNS))
    return [frame[name].to_numpy() for name in COLUMNS]


def _range_by_polars(path: Path, start_ns: int) -> Any:
    import polars

    stamp = polars.col("ts_event")
    return polars.scan_parquet(path).filter((stamp >= start_ns) & (stamp < start_ns + RANGE_NS)).collect()


def _write_parquet(path: Path, trades: Records) -> None:
    import polars

    names = [name for name in trades.dtype.names or () if name not in {"action", "side"}]
    polars.DataFrame({name: np.ascontiguousarray(trades[name]) for name in names}).write_parquet(path)
