"""Whole sessions of paper trading as a host drives them, on clocks of their own and as fast as it goes."""

from __future__ import annotations

import heapq
import itertools
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import attrs

from console.paper.merging import opened
from console.paper.parity import Parity, compare, load_strategies
from console.paper.past import Past
from console.paper.session import begin
from console.paper.trading import Trading
from core.bars.spec import BarDataMode
from core.clock import NS_PER_MS, NS_PER_S, monotonic_ns
from core.model.instruments import IN_FULL, Instrument
from core.model.records import Records
from core.sim.accounts import AccountSpec, Limits
from core.sim.fees import FeeSchedule
from core.sim.lines import ActKind, ActLine, RingLine
from core.sim.models import Execution, Latency, Slippage
from core.sim.paper import Desk
from core.sim.positions import Key
from core.sim.state import DeskState, LaneSpec, LaneStart, MarketStart, SessionHead
from core.sim.tape import MISSED, TRADE
from core.sim.trader import Sizing
from perf._paper_trades import Piece, SimulatedTrades, arriving, captured_trades
from strategies.catalogue import STRATEGIES, make_strategy

DESK: Final = "measured"
APPROVED: Final = Path("/nonexistent")
"""No strategy of a session comes from a file."""
_ACCOUNTS: Final = ("first", "second", "third")
_CLOCK_NS: Final = 250 * NS_PER_MS
_ACTS: Final[tuple[ActKind, ...]] = ("pause", "resume", "halt", "release", "flatten")
_CONTEXT_ROWS: Final = 100


@attrs.frozen(kw_only=True)
class Plan:
    """What is traded on: every strategy in every mode with all `bars`, each on all `instruments`; the `seed` decides
    how orders fare. About so often, within `act_s`, an operator does something."""

    instruments: Sequence[Instrument]
    bars: Sequence[str]
    seed: int
    away_s: tuple[int, int] = (60, 300)
    act_s: tuple[int, int] = (120, 600)


@attrs.frozen(kw_only=True)
class Lived:
    """A session that is over: its folder, how many pieces came, and the seconds that trading took in all."""

    folder: Path
    pieces: int
    took_s: float


def simulated(
    seed: int, *, minutes: int, bars: Sequence[str], **more: tuple[int, int]
) -> tuple[Plan, dict[Key, Records]]:
    """A stretch of the simulated market."""
    market = SimulatedTrades(seed, ("BTCUSD", "ETHUSD"))
    plan = Plan(instruments=market.instruments, bars=bars, seed=seed, **more)
    return plan, market.until(minutes * 60 * NS_PER_S)


def captured(day: str, *, bars: Sequence[str], **more: tuple[int, int]) -> tuple[Plan, dict[Key, Records]]:
    """A real session; without trades where there is no capture."""
    instrument, records = captured_trades(day)
    return Plan(instruments=[instrument], bars=bars, seed=int(day), **more), {instrument.key: records}


def beginning(plan: Plan) -> DeskState:
    """The desk before anything happened: three accounts that the strategies share, one of them with limits."""
    currency = plan.instruments[0].settle
    specs = [AccountSpec(name, currency, 10**18, leverage=3) for name in _ACCOUNTS]
    execution = _execution(plan.seed)
    return DeskState(
        markets=[MarketStart(instrument=one, execution=execution) for one in plan.instruments],
        lanes=[LaneStart(spec=spec) for spec in _lanes(plan)],
        accounts=[opened(spec) for spec in specs],
        limits={_ACCOUNTS[-1]: Limits(position_e12=5 * 10**17, orders_per_minute=30)},
    )


def _lanes(plan: Plan) -> Iterator[LaneSpec]:
    random_of = random.Random(plan.seed)
    for bars, name, mode in itertools.product(plan.bars, STRATEGIES, BarDataMode):
        account = random_of.choice(_ACCOUNTS)
        sha256 = make_strategy(name, {}, APPROVED).sha256
        for instrument in plan.instruments:
            yield LaneSpec(
                label=f"{name}-{mode}-{bars}",
                strategy=name,
                sha256=sha256,
                parameters={},
                account=account,
                venue=instrument.venue,
                symbol=instrument.symbol,
                bars=bars,
                mode=mode,
                sizing=_sizing(instrument, random_of),
            )


def _sizing(instrument: Instrument, random_of: random.Random) -> Sizing:
    shorts = instrument.product not in IN_FULL and random_of.random() < 0.5
    return Sizing(fraction_ppm=random_of.choice((20_000, 50_000)), shorts=shorts)


def _execution(seed: int) -> Execution:
    return Execution(
        FeeSchedule(200, 500, "measured"),
        Slippage(ppm=100 if seed % 3 == 0 else 0, increments=seed % 2),
        Latency(base_ns=50 * NS_PER_MS if seed % 2 else 0, jitter_ns=NS_PER_S if seed % 4 == 1 else 0, seed=seed),
        touch=seed % 2 == 0,
    )


def traded(folder: Path, plan: Plan, records: dict[Key, Records]) -> Lived:
    """Trade on `records` in a session of its own in `folder`."""
    state = beginning(plan)
    strategies = {
        (one.spec.label, one.spec.key): make_strategy(one.spec.strategy, {}, APPROVED).strategy for one in state.lanes
    }
    head = SessionHead(session="", desk=DESK, created_ns=1_790_000_000 * NS_PER_S + plan.seed, state=state)
    trading = Trading(Desk(state, strategies), begin(folder, head))
    began_s, pieces = time.perf_counter(), 0
    now_ns = min(int(rows["ts_event"][0]) for rows in records.values())
    mono_ns = monotonic_ns() - now_ns  # the latency it counts is nobody's
    marked_ns = now_ns
    for what in _happening(trading, plan, records):
        at_ns = what.at_ns
        while marked_ns + _CLOCK_NS < at_ns:
            marked_ns += _CLOCK_NS
            _pass(trading, mono_ns + marked_ns)
        if isinstance(what, Piece):
            pieces += 1
            _take(trading, what, mono_ns + at_ns)
        else:
            trading.act(what.line)
    _pass(trading, mono_ns + marked_ns + 60 * NS_PER_S)
    took_s = time.perf_counter() - began_s
    trading.close()
    return Lived(folder=trading.session.folder, pieces=pieces, took_s=took_s)


@attrs.frozen
class _Done:
    # Something that an operator did.
    at_ns: int
    line: ActLine


def _happening(trading: Trading, plan: Plan, records: dict[Key, Records]) -> Iterator[Piece | _Done]:
    # What comes after the context and what was missed before the session.
    random_of = random.Random(plan.seed)
    streams: list[Iterable[Piece | _Done]] = []
    ends_ns = 0
    for key, rows in records.items():
        feed = trading.feeds[key]
        trading.note(RingLine(venue=key[0], symbol=key[1], ring="measured", inode=1, epoch=1))
        trading.context(feed, rows[:_CONTEXT_ROWS], _CONTEXT_ROWS)
        missed = rows[_CONTEXT_ROWS : 2 * _CONTEXT_ROWS]
        trading.trades(feed, missed, 2 * _CONTEXT_ROWS, kind=MISSED, mono_ns=monotonic_ns())
        later = rows[2 * _CONTEXT_ROWS :]
        streams.append(arriving(key, later, random.Random(f"{plan.seed} {key}"), away_s=plan.away_s))
        ends_ns = max(ends_ns, int(later["ts_event"][-1]))
    streams.append(_acts(plan, min(int(rows["ts_event"][0]) for rows in records.values()), ends_ns, random_of))
    return heapq.merge(*streams, key=lambda one: one.at_ns)


def _acts(plan: Plan, now_ns: int, ends_ns: int, random_of: random.Random) -> Iterator[_Done]:
    labels = [one.spec.label for one in beginning(plan).lanes]
    while (now_ns := now_ns + random_of.randint(*plan.act_s) * NS_PER_S) < ends_ns:
        act, target = random_of.choice(_ACTS), random_of.choice(("", *_ACCOUNTS, *random_of.sample(labels, 4)))
        lines = [(act, target)]
        if act in {"pause", "halt"}:  # and back again
            lines.append(("resume" if act == "pause" else "release", target))
        for number, (kind, named) in enumerate(lines):
            at_ns = now_ns + number * 20 * NS_PER_S
            yield _Done(at_ns, ActLine(act=kind, target=named, by="somebody over a benchmark", wall_ns=at_ns))
        now_ns += 20 * NS_PER_S


def _take(trading: Trading, piece: Piece, mono_ns: int) -> None:
    feed = trading.feeds[piece.key]
    if piece.lost:
        trading.hole(feed, piece.lost, "the connection broke")
    cursor = feed.cursor + piece.lost + len(piece.records)
    trading.trades(feed, piece.records, cursor, kind=TRADE, mono_ns=mono_ns)


def _pass(trading: Trading, mono_ns: int) -> None:
    for feed in trading.feeds.values():
        trading.clock(feed, mono_ns)


@attrs.frozen(kw_only=True)
class Proof:
    """What came of a session: how it compares with its backtest, and the seconds of both."""

    parity: Parity
    live_s: float
    replay_s: float


def proven(folder: Path, plan: Plan, records: dict[Key, Records]) -> Proof:
    """Trade a session in `folder`, read it again from its files, and compare it with its backtest.

    Raises `AssertionError` when anything differs, or when nothing was traded.
    """
    lived = traded(folder, plan, records)
    began_s = time.perf_counter()
    past = Past(lived.folder)
    parity = compare(past, load_strategies(past, APPROVED))
    took_s = time.perf_counter() - began_s
    assert not past.notes, past.notes
    assert parity.proven, (plan.seed, parity.divergence)
    assert min(parity.orders.count, parity.fills.count), f"nothing was traded with seed {plan.seed}"
    for one in ("orders", "fills", "signals", "lines"):
        counted = getattr(parity, one)
        assert counted.same == counted.count, (plan.seed, one, counted)
    past.state()  # balances
    return Proof(parity=parity, live_s=lived.took_s, replay_s=took_s)
