"""Paper trading equals the backtest: a session, however it was cut and whatever was done to it, is the same again."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise

import attrs
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from core.bars.spec import BarDataMode, BarType
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.instruments import IN_FULL, Instrument, Product
from core.sim.accounts import AccountSpec, Limits
from core.sim.engine import run_backtest
from core.sim.lines import ActLine, FillLine, OrderLine
from core.sim.models import Execution
from core.sim.positions import Key
from core.sim.state import LaneSpec
from core.sim.tape import MISSED, TRADE
from core.sim.trader import Sizing
from core.strategy import Action, Signal, Strategy
from tests.property.test_backtest_money import ANSWERS, PRICES_E9, QUANTITIES_E8, SIGNALS, SIZINGS
from tests.property.test_exchange import EXECUTIONS
from tests.unit.core.sim.desks import Recorded, desk_state, lines_of
from tests.unit.core.sim.examples import START_NS, instrument
from tests.unit.core.sim.scripted import Scripted, request

BARS = st.sampled_from(["1m", "1t", "3t", "5m"])
PRODUCTS = st.sampled_from([Product.SPOT, Product.SPOT, Product.LINEAR_PERPETUAL, Product.INVERSE_PERPETUAL])
ROWS = st.lists(st.tuples(st.sampled_from([0, 1, 20, 45, 90, 400]), PRICES_E9, QUANTITIES_E8), min_size=1, max_size=6)
KEYS = st.sampled_from([0, 1])
ACTS = st.tuples(
    st.sampled_from(["pause", "resume", "halt", "release", "flatten", "kill"]), st.sampled_from(["", "one", "main"])
)
LIKELY = st.builds(Signal, st.sampled_from([Action.BUY, Action.SELL, Action.BUY, Action.SELL, Action.HOLD]))
OFTEN = ANSWERS | st.lists(st.one_of(LIKELY, LIKELY, SIGNALS).map(lambda one: [one]), min_size=5, max_size=25).map(
    lambda answers: dict(enumerate(answers))
)
TOLD = st.lists(
    st.one_of(
        st.tuples(st.just("trades"), KEYS, ROWS),
        st.tuples(st.just("trades"), KEYS, ROWS),
        st.tuples(st.just("missed"), KEYS, ROWS),
        st.tuples(st.just("clock"), KEYS, st.sampled_from([0, 1, 30, 60, 300])),
        st.tuples(st.just("over"), KEYS, st.sampled_from([0, 1])),
        st.tuples(st.just("act"), KEYS, ACTS),
    ),
    min_size=1,
    max_size=14,
)
LIMITS = st.sampled_from(
    [Limits(), Limits(position_e12=500 * 10**12), Limits(day_loss_e12=10**12, orders_per_minute=2)]
)


@st.composite
def sessions(draw: st.DrawFn) -> list[tuple[Recorded, dict[tuple[str, Key], Strategy]]]:
    """Up to three sessions, each of which goes on from the one before, of strategies on two symbols and three
    accounts that have been told anything."""
    traded = [named(instrument(draw(PRODUCTS)), symbol) for symbol in ("BTCUSD", "ETHUSD")]
    lanes: list[LaneSpec] = []
    for label in draw(st.lists(st.sampled_from(["one", "two", "three", "four"]), unique=True, min_size=1)):
        for on in draw(st.lists(st.sampled_from(traded), unique_by=lambda one: one.symbol, min_size=1)):
            shorts = on.product not in IN_FULL and draw(st.booleans())
            account = "coins" if on.settle == "BTC" else draw(st.sampled_from(["main", "main", "side"]))
            sizing = attrs.evolve(draw(SIZINGS), shorts=shorts)
            lanes.append(lane(label, on, account, draw(BARS), draw(st.sampled_from(BarDataMode)), sizing))
    accounts = [
        AccountSpec("main", "USD", draw(st.sampled_from([200, 10_000, 10**9])) * 10**12, (), draw(LEVERAGES)),
        AccountSpec("side", "USD", 10**15, (), draw(LEVERAGES)),
        AccountSpec("coins", "BTC", draw(st.sampled_from([1, 100])) * 10**12, (), draw(LEVERAGES)),
    ]
    state = desk_state(traded, lanes, accounts, draw(EXECUTIONS), {"main": draw(LIMITS), "coins": draw(LIMITS)})
    found = []
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        asked: dict[tuple[str, Key], Strategy] = {
            (one.label, one.key): Failing(draw(OFTEN), one.mode, draw(st.sampled_from([None, None, None, 3])))
            for one in lanes
        }
        recorded = Recorded(state, asked)
        tell(recorded, [one.key for one in traded], draw(st.none() | ROWS), draw(TOLD))
        found.append((recorded, asked))
        state = recorded.desk.state()
    return found


LEVERAGES = st.sampled_from([1, 3, 100])


class Failing(Scripted):
    """Raises at one event."""

    def __init__(self, answers: Mapping[int, object], mode: BarDataMode, fails_at: int | None) -> None:
        super().__init__(answers, mode)  # type: ignore[arg-type]
        self.fails_at = fails_at

    def on_bar_data(self, bar: object) -> object:  # type: ignore[override]
        """The answer, or the end."""
        answer = super().on_bar_data(bar)  # type: ignore[arg-type]
        if self.fails_at is not None and len(self.seen) > self.fails_at:
            raise ValueError("enough")
        return answer


def named(one: Instrument, symbol: str) -> Instrument:
    """The same instrument under another name."""
    return attrs.evolve(one, symbol=symbol, venue_symbol=symbol, base=symbol[:3])


def lane(label: str, on: Instrument, account: str, bars: str, mode: BarDataMode, sizing: Sizing) -> LaneSpec:
    """A strategy on an instrument."""
    return LaneSpec(
        label=label,
        strategy="scripted",
        sha256="0" * 64,
        parameters={},
        account=account,
        venue=on.venue,
        symbol=on.symbol,
        bars=bars,
        mode=mode,
        sizing=sizing,
    )


def tell(recorded: Recorded, keys: list[Key], context: object, told: list[tuple[str, int, object]]) -> None:
    """Tell a desk what there is to tell, each symbol by a clock of its own."""
    now_ns = {one.instrument.key: max(one.newest_ns, START_NS) for one in recorded.state.markets}
    if context is not None:
        recorded.context(keys[0], columns(context, now_ns, keys[0]))
    for what, at, more in told:
        key = keys[at]
        if what == "clock":
            now_ns[key] += int(more) * NS_PER_S  # type: ignore[call-overload]
            recorded.clock(key, now_ns[key])
        elif what == "over":  # the very end of a bar, or right before it
            now_ns[key] += 60 * NS_PER_S - now_ns[key] % (60 * NS_PER_S) - int(more)  # type: ignore[call-overload]
            recorded.clock(key, now_ns[key])
        elif what == "act":
            recorded.act(ActLine(act=more[0], target=more[1], by="a test", wall_ns=1))  # type: ignore[index]
        else:
            recorded.trades(key, columns(more, now_ns, key), TRADE if what == "trades" else MISSED)


def columns(rows: object, now_ns: dict[Key, int], key: Key) -> Ticks:
    """Trades from (seconds since the one before, price, quantity)."""
    given: list[tuple[int, int, int]] = rows  # type: ignore[assignment]
    times_ns = [now_ns[key] + seconds * NS_PER_S for seconds in accumulate(gap for gap, _, _ in given)]
    now_ns[key] = times_ns[-1]
    return Ticks(
        np.array(times_ns, np.int64),
        np.array([price_e9 for _, price_e9, _ in given], np.int64),
        np.array([quantity_e8 for _, _, quantity_e8 in given], np.int64),
        np.full(len(given), ord("N"), np.uint8),
    )


@settings(deadline=None, max_examples=300)
@given(told=sessions())
def test_a_session_is_the_same_again(told: list[tuple[Recorded, dict[tuple[str, Key], Strategy]]]) -> None:
    """What a desk wrote down as it was told piece by piece, a replay of its tape brings again to the last line; and
    money is where it was, however many sessions later."""
    fresh = Recorded(told[0][0].state, {}).desk.ledger.totals()
    for recorded, strategies in told:
        assert lines_of(recorded.replayed(strategies)) == recorded.lines
        now = recorded.desk.ledger.totals()
        assert {currency: now.get(currency, 0) for currency in fresh} == fresh
        assert not any(amount for currency, amount in now.items() if currency not in fresh)


@settings(deadline=None, max_examples=100)
@given(
    rows=st.lists(st.tuples(st.sampled_from([0, 1, 20, 90]), PRICES_E9, QUANTITIES_E8), min_size=2, max_size=40),
    cuts=st.sets(st.integers(1, 39)),
    answers=ANSWERS,
    mode=st.sampled_from(BarDataMode),
    bars=BARS,
    execution=EXECUTIONS,
)
def test_a_lane_alone_is_a_backtest(
    *,
    rows: list[tuple[int, int, int]],
    cuts: set[int],
    answers: dict[int, object],
    mode: BarDataMode,
    bars: str,
    execution: Execution,
) -> None:
    """One strategy alone on its account trades as the backtest of the same trades says, order by order and fill by
    fill, however they came."""
    ticks = columns(rows, {("V", "S"): START_NS}, ("V", "S"))
    asked = request(Scripted(answers, mode), ticks, execution=execution, quantity="1")  # type: ignore[arg-type]
    backtest = run_backtest(attrs.evolve(asked, bar_type=BarType.parse(bars)))
    on = asked.instrument
    spec = lane("scripted", on, "main", bars, mode, asked.sizing)
    state = desk_state([on], [spec], asked.accounts.specs(), execution)
    recorded = Recorded(state, {("scripted", on.key): Scripted(answers, mode)})  # type: ignore[arg-type]
    edges = [0, *sorted(cut for cut in cuts if cut < len(rows)), len(rows)]
    for first, end in pairwise(edges):
        recorded.trades(on.key, ticks.part(first, end))
    fills = [line for line in recorded.lines if isinstance(line, FillLine)]
    assert [(one.order, one.ts_ns, one.price_e9, one.quantity_e8, one.fee_e12) for one in fills] == [
        (one.order, one.ts_ns, one.price_e9, one.quantity_e8, one.fee_e12) for one in backtest.fills
    ]
    last = {line.number: line for line in recorded.lines if isinstance(line, OrderLine)}
    ended = [one for one in backtest.orders if one.reason != "the data ended"]
    assert [(one.number, last[one.number].state, last[one.number].filled_e8) for one in ended] == [
        (one.number, one.state, one.filled_e8) for one in ended
    ]
    assert len(last) == len(backtest.orders)
