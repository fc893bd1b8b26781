"""Microseconds from a record in a ring to a step that is written down: three strategies on each of three symbols, one
trade at a time."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from console.paper.lanes import load_runs, make_bench
from console.paper.plan import PaperPlan, RunPlan
from console.paper.session import begin
from console.paper.trading import Feed, Trading
from core.clock import monotonic_ns, wall_ns
from core.model.instruments import Instrument, Product
from core.model.records import TRADE, Records, Schema
from core.sim.accounts import AccountsConfig
from core.sim.paper import Desk
from core.sim.state import SessionHead
from core.sim.tape import TRADE as STEP
from perf.figures import Figure
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter

TRADES: Final = 6000
WARM_UP: Final = 600
SYMBOLS: Final = ("BTCUSD", "ETHUSD", "SOLUSD")
PLACES: Final = ("/dev/shm", tempfile.gettempdir())
AGAINST: Final = "RingReader.pop_batch of one"


def measure() -> Iterator[Figure]:
    """The median and the 99th percentile, the ledger in memory and on the disk."""
    for place in PLACES:
        with tempfile.TemporaryDirectory(dir=place, prefix="paper-") as name:
            pops, steps = _times(Path(name))
        where = "tmpfs" if place == PLACES[0] else "disk"
        for share in (50, 99):
            work = f"Ring to committed step, ledger on {where}, p{share}"
            yield Figure(work, _share(steps, share), _share(pops, share), "us", AGAINST, digits=3)


def _share(times_ns: list[int], percent: int) -> float:
    return statistics.quantiles(times_ns, n=100)[percent - 1] / 1e3


def _times(folder: Path) -> tuple[list[int], list[int]]:
    instruments = [_instrument(symbol) for symbol in SYMBOLS]
    trading = _trading(folder, instruments)
    rings = [_Ring(folder, instrument, trading) for instrument in instruments]
    pops: list[int] = []
    steps: list[int] = []
    for number in range(WARM_UP + TRADES):
        pop_ns, step_ns = rings[number % len(rings)].step(number)
        if number >= WARM_UP:
            pops.append(pop_ns)
            steps.append(step_ns)
    trading.close()
    for ring in rings:
        ring.close()
    return pops, steps


class _Ring:
    # A ring, who writes it, and a feed of the desk that reads it.

    def __init__(self, folder: Path, instrument: Instrument, trading: Trading) -> None:
        identity = RingIdentity(
            record_bytes=TRADE.itemsize,
            schema=Schema.TRADES,
            instance="perf",
            symbol=instrument.symbol,
            venue=instrument.venue,
            instrument_id=1,
        )
        path = folder / f"perf__{instrument.symbol}"
        self._writer = RingWriter(path, identity, capacity=4096)
        self._reader = RingReader(path, name="paper", dtype=TRADE)
        self._trading = trading
        self._feed: Feed = trading.feeds[instrument.key]
        self._random = np.random.default_rng(7)
        self._price_e9 = 60_000 * 10**9

    def step(self, number: int) -> tuple[int, int]:
        """One trade, read and traded on: how long reading it took, and the whole, in ns."""
        self._price_e9 += int(self._random.integers(-20, 21)) * 10**8
        self._writer.push(_record(self._price_e9, number).tobytes())
        began_ns = time.perf_counter_ns()
        batch = self._reader.pop_batch()
        popped_ns = time.perf_counter_ns()
        self._trading.trades(self._feed, batch, self._reader.cursor, kind=STEP, mono_ns=monotonic_ns())
        return popped_ns - began_ns, time.perf_counter_ns() - began_ns

    def close(self) -> None:
        self._reader.close()
        self._writer.close()


def _record(price_e9: int, number: int) -> Records:
    records: Records = np.zeros(1, TRADE)
    records["ts_event"] = records["ts_recv"] = 1_704_067_200 * 10**9 + number * 10**8
    records["price"], records["size"], records["side"], records["publisher_id"] = price_e9, 1, b"B", 1
    return records


def _trading(folder: Path, instruments: list[Instrument]) -> Trading:
    run = RunPlan(label="sma", strategy="sma", bars="1m", mode="each-tick")
    plan = PaperPlan(
        desk="perf",
        instance="perf",
        state_directory=folder,
        approved=folder / "none",
        runs=(
            run,
            attrs.evolve(run, label="ema", strategy="ema"),
            attrs.evolve(run, label="rsi", strategy="rsi", mode="close-bar", bars="100t"),
        ),
        accounts=AccountsConfig.with_default("main", "USD", "1000000000"),
        currency="USD",
    )
    bench = make_bench(plan, load_runs(plan), instruments)
    head = SessionHead(session="", desk="perf", created_ns=wall_ns(), state=bench.state)
    return Trading(Desk(bench.state, bench.strategies), begin(folder, head))


def _instrument(symbol: str) -> Instrument:
    return Instrument(
        venue="SIM.KRAKEN",
        symbol=symbol,
        venue_symbol=symbol,
        canonical=symbol,
        base=symbol[:3],
        quote="USD",
        settle="USD",
        product=Product.SPOT,
        price_decimals=2,
        quantity_decimals=8,
        price_increment_e9=10**7,
        quantity_increment_e8=1,
    )
