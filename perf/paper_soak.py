"""A day of paper trading, simulated as fast as it goes: nothing may grow, and the files must always say the same.

Three symbols of the simulated market, every strategy that comes with Ringside and one that gives orders of all kinds,
on two accounts. After each hour the state that is restored from the session's files must be that of the desk.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from console.paper.merging import opened
from console.paper.past import Past
from console.paper.session import begin
from console.paper.trading import Trading
from core.bars.series import BarData
from core.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from core.model.instruments import IN_FULL, Instrument
from core.model.records import Records
from core.sim.accounts import AccountSpec
from core.sim.fees import FeeSchedule
from core.sim.models import Execution, Latency
from core.sim.paper import Desk
from core.sim.positions import Key
from core.sim.state import DeskState, LaneSpec, LaneStart, MarketStart, SessionHead
from core.sim.tape import TRADE
from core.sim.trader import Sizing
from core.strategy import CANCEL, HOLD, Action, Signal, Strategy
from perf._paper_trades import START_NS, SimulatedTrades
from perf.figures import Figure
from strategies.catalogue import STRATEGIES

HOURS: Final = 24
SYMBOLS: Final = ("BTCUSD", "ETHUSD", "SOLUSD")
HOUR_NS: Final = 3600 * NS_PER_S
_SEED: Final = 20_261_122
_CLOCK_NS: Final = 250 * NS_PER_MS
_PIECE_NS: Final = 60 * NS_PER_S
"""Trades are made for so long at once, so that they take no memory worth mentioning."""
_MOST_OPEN: Final = 100
_PAGE_BYTES: Final = 4096


class Restless(Strategy):
    """Gives orders of every kind all the time, a seed decides which, and takes them back every so often."""

    name = "restless"

    def reset(self) -> None:
        """Forget everything seen."""
        self._random = random.Random(_SEED)

    def on_bar_data(self, bar: BarData) -> Signal:
        """Something in one of twenty events."""
        dice = self._random.random()
        if dice > 0.05:
            return HOLD
        if dice < 0.01:
            return CANCEL
        action = self._random.choice((Action.BUY, Action.SELL))
        away_e9 = bar.close_e9 // 2000 // 10**7 * 10**7
        near_e9 = bar.close_e9 - action * away_e9
        if dice < 0.02:
            return Signal(action, limit_e9=near_e9)
        if dice < 0.03:
            return Signal(action, stop_e9=bar.close_e9 + action * away_e9)
        return Signal(action)


@attrs.frozen(kw_only=True)
class Hour:
    """How things stood when an hour was over: resident memory, orders that waited, trades and orders so far."""

    resident_bytes: int
    waiting: int
    trades: int
    orders: int


def measure() -> Iterator[Figure]:
    """A day against the wall, memory at its end against that of its first hour. Raises `AssertionError` when the
    files say something else than the desk, or when orders pile up."""
    with tempfile.TemporaryDirectory() as folder:
        began_s = time.perf_counter()
        trading, checked_s, hours = _day(Path(folder))
        took_s = time.perf_counter() - began_s - checked_s
        trading.close()
    last, mib = hours[-1], 2**20
    what = f"{HOURS} h, {last.trades:,} trades, {last.orders:,} orders"
    yield Figure(f"paper trading: {what}", HOURS * 3600 / took_s, 1, "x", "the pace of the market", 4)
    yield Figure(
        "  resident memory after the last hour", last.resident_bytes / mib, hours[0].resident_bytes / mib, "MiB",
        f"after the first, {(last.resident_bytes - hours[0].resident_bytes) / mib:+.1f} MiB", 4,
    )  # fmt: skip
    waiting = max(one.waiting for one in hours)
    yield Figure("  orders that wait, at most, at the end of an hour", waiting, _MOST_OPEN, "orders", "the bound", 4)


def beginning(instruments: Sequence[Instrument]) -> DeskState:
    """The desk before the day."""
    execution = Execution(FeeSchedule(200, 500, "measured"), latency=Latency(base_ns=20 * NS_PER_MS))
    lanes = [
        LaneStart(spec=_spec(name, instrument)) for instrument in instruments for name in (*STRATEGIES, Restless.name)
    ]
    specs = [AccountSpec(name, "USD", 10**20, leverage=3) for name in ("calm", Restless.name)]
    return DeskState(
        markets=[MarketStart(instrument=one, execution=execution) for one in instruments],
        lanes=lanes,
        accounts=[opened(spec) for spec in specs],
        limits={},
    )


def _spec(name: str, instrument: Instrument) -> LaneSpec:
    return LaneSpec(
        label=name,
        strategy=name,
        sha256="",
        parameters={},
        account=Restless.name if name == Restless.name else "calm",
        venue=instrument.venue,
        symbol=instrument.symbol,
        bars="1m",
        mode=_made(name).bar_data_mode(),
        sizing=Sizing(fraction_ppm=1000, shorts=instrument.product not in IN_FULL),
    )


def _made(name: str) -> Strategy:
    strategy = Restless() if name == Restless.name else STRATEGIES[name]()
    strategy.initialize({})
    return strategy


def _day(folder: Path) -> tuple[Trading, float, list[Hour]]:
    # All of it, the seconds that were taken for checks, and how things stood after each hour.
    market = SimulatedTrades(_SEED, SYMBOLS)
    state = beginning(market.instruments)
    strategies = {(one.spec.label, one.spec.key): _made(one.spec.strategy) for one in state.lanes}
    head = SessionHead(session="", desk="measured", created_ns=START_NS, state=state)
    trading = Trading(Desk(state, strategies), begin(folder, head))
    mono_ns = monotonic_ns() - START_NS
    hours: list[Hour] = []
    checked_s = 0.0
    for number in range(1, HOURS * 60 + 1):
        _minute(trading, market.until(number * _PIECE_NS), START_NS + (number - 1) * _PIECE_NS, mono_ns)
        if number % 60 == 0:
            began_s = time.perf_counter()
            hours.append(_stands(trading))
            _check(trading)
            checked_s += time.perf_counter() - began_s
            print(f"# hour {number // 60}: {hours[-1]}", file=sys.stderr, flush=True)
    return trading, checked_s, hours


def _minute(trading: Trading, records: dict[Key, Records], began_ns: int, mono_ns: int) -> None:
    pieces = sorted(
        (
            (int(rows["ts_event"][at]), key, rows[at : at + 1])
            for key, rows in records.items()
            for at in range(len(rows))
        ),
        key=lambda piece: piece[0],
    )
    marked_ns = began_ns
    for at_ns, key, row in pieces:
        while marked_ns + _CLOCK_NS < at_ns:
            marked_ns += _CLOCK_NS
            for feed in trading.feeds.values():
                trading.clock(feed, mono_ns + marked_ns)
        feed = trading.feeds[key]
        trading.trades(feed, row, feed.cursor + 1, kind=TRADE, mono_ns=mono_ns + at_ns)


def _stands(trading: Trading) -> Hour:
    resident = int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    waiting = sum(len(list(market.exchange.waiting)) for market in trading.desk.markets.values())
    assert waiting < _MOST_OPEN, f"{waiting} orders wait"
    return Hour(
        resident_bytes=resident,
        waiting=waiting,
        trades=sum(feed.ticks for feed in trading.feeds.values()),
        orders=trading.tally.orders(),
    )


def _check(trading: Trading) -> None:
    # What another process reads of the files is what this one holds, to the last unit. It is one of its own, so that
    # what it takes is not counted.
    pid = os.fork()
    if pid == 0:
        try:
            restored, held = Past(trading.session.folder).state(), trading.desk.state()
            told = [
                f"{name}: {getattr(restored, name)} in the files, {getattr(held, name)} on the desk"
                for name in held.__struct_fields__
                if getattr(restored, name) != getattr(held, name)
            ]
            for line in told:
                print(line, file=sys.stderr, flush=True)
            os._exit(bool(told))
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0, "the files say something else than the desk"
