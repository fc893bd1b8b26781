"""A desk by hand: what one strategy, act or account does to others, and what is left when something was cut short."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import attrs
import pytest

from core.bars.series import BarData
from core.bars.spec import BarDataMode
from core.bars.ticks import Ticks
from core.clock import DAY_NS, NS_PER_S
from core.model.fixedpoint import PRICE_SCALE, QUANTITY_SCALE
from core.model.instruments import IN_FULL, Instrument, Product
from core.model.orders import OrderState
from core.sim.accounts import AccountSpec, Limits
from core.sim.exchange import MAX_WORKING
from core.sim.guarding import LIQUIDATION
from core.sim.lines import ActKind, ActLine, FillLine, LaneLine, OrderLine
from core.sim.models import Execution, Latency
from core.sim.paper import BY_OPERATOR, Desk
from core.sim.risk import DAY_LOSS
from core.sim.state import DeskState, LaneSpec
from core.sim.tape import MISSED, TRADE
from core.sim.trader import Sizing
from core.strategy import BUY, SELL, buy, sell
from tests.unit.core.sim.desks import Recorded, desk_state, lines_of
from tests.unit.core.sim.examples import START_NS, instrument
from tests.unit.core.sim.scripted import NO_FEES, Answer, Scripted, ticks

E12 = 10**12
SPOT = instrument()
PERPETUAL = attrs.evolve(instrument(Product.LINEAR_PERPETUAL), symbol="BTCPERP")
OTHER = attrs.evolve(PERPETUAL, symbol="ETHPERP", base="ETH")
FREE = Execution(NO_FEES)


def lane(label: str, on: Instrument = PERPETUAL, account: str = "main", quantity: int = 1) -> LaneSpec:
    """A strategy that is asked at each trade, about `quantity` at a time; it may sell short what can be."""
    return LaneSpec(
        label=label,
        strategy="scripted",
        sha256="",
        parameters={},
        account=account,
        venue=on.venue,
        symbol=on.symbol,
        bars="1m",
        mode=BarDataMode.ON_EACH_TICK,
        sizing=Sizing(quantity_e8=quantity * QUANTITY_SCALE, shorts=on.product not in IN_FULL),
    )


def state(
    *lanes: LaneSpec,
    money: int = 100_000,
    leverage: int = 1,
    limits: Limits | None = None,
    execution: Execution = FREE,
) -> DeskState:
    """A desk of these lanes on three symbols, with accounts `main` and `other` of the same money."""
    accounts = [AccountSpec(name, "USD", money * E12, (), leverage) for name in ("main", "other")]
    return desk_state([SPOT, PERPETUAL, OTHER], lanes, accounts, execution, {"main": limits or Limits()})


class Playing(Recorded):
    """A desk whose lanes answer what is told of their labels; lanes that are not told of only keep what they hold."""

    def __init__(self, begun: DeskState, answers: Mapping[str, Mapping[int, Answer] | Scripted]) -> None:
        self.now_ns = max([START_NS, *(one.newest_ns for one in begun.markets)])
        self.asked = {
            (one.spec.label, one.spec.key): told if isinstance(told, Scripted) else Scripted(told)
            for one in begun.lanes
            if (told := answers.get(one.spec.label)) is not None
        }
        super().__init__(begun, self.asked)

    def at(self, *prices: int, on: Instrument = PERPETUAL, kind: int = TRADE, apart: bool = True) -> None:
        """Trades a second apart at these prices, each a step, or all one."""
        told = self._ticks(*prices)
        for first, end in pairwise(range(len(prices) + 1)) if apart else [(0, len(prices))]:
            self.trades(on.key, told.part(first, end), kind)

    def before(self, *prices: int, on: Instrument = PERPETUAL) -> None:
        """Trades of before the session."""
        self.context(on.key, self._ticks(*prices))

    def _ticks(self, *prices: int) -> Ticks:
        told = ticks(*map(str, prices))
        told = attrs.evolve(told, ts_ns=told.ts_ns - START_NS + self.now_ns + NS_PER_S)
        self.now_ns = int(told.ts_ns[-1])
        return told

    def does(self, act: ActKind, target: str = "") -> None:
        """An act of an operator."""
        self.act(ActLine(act=act, target=target, by="a test", wall_ns=1))

    def held(self, on: Instrument = PERPETUAL, account: str = "main") -> int:
        """What an account holds, in whole units."""
        held_e8: int = self.desk.ledger.position_e8(account, on)
        return held_e8 // int(QUANTITY_SCALE)

    def orders(self, label: str) -> list[OrderLine]:
        """How each order of a lane stands, "" for liquidations."""
        return list(
            {one.number: one for one in self.lines if isinstance(one, OrderLine) and one.lane == label}.values()
        )

    def fills(self, label: str) -> list[tuple[int, int]]:
        """Price and quantity of the fills of a lane, the latter below 0 for what was sold."""
        return [
            (one.price_e9 // PRICE_SCALE, one.quantity_e8 // QUANTITY_SCALE * one.side.sign)
            for one in self.lines
            if isinstance(one, FillLine) and one.lane == label
        ]

    def check(self) -> None:
        """It is the same again as a backtest."""
        assert lines_of(self.replayed(self.asked)) == self.lines


def test_two_strategies_on_one_account_hold_each_its_own() -> None:
    """One buys while the other sells: the account holds the difference, and each closes what it bought itself."""
    told = Playing(state(lane("a", quantity=3), lane("b")), {"a": {0: BUY, 3: SELL}, "b": {0: SELL, 3: BUY}})
    told.at(100, 100)
    assert told.held() == 2
    told.at(100, 100, 100)
    assert (told.fills("a"), told.fills("b")) == ([(100, 3), (100, -6)], [(100, -1), (100, 2)])
    assert [one.held_e8 // QUANTITY_SCALE for one in told.desk.state().lanes] == [-3, 1]
    told.check()


def test_orders_of_a_strategy_that_fails_are_filled_by_trades_before_that() -> None:
    """Also when those trades came in the same step: how they are cut changes nothing."""
    for apart in (True, False):
        told = Playing(state(lane("a")), {"a": Failing({0: [buy(1, limit=99), buy(1, limit=90)]}, fails_at=3)})
        told.at(100, 98, 100, 100, apart=apart)
        told.at(80)
        assert told.fills("a") == [(99, 1)]
        assert [one.state for one in told.orders("a")] == [OrderState.FILLED, OrderState.CANCELLED]
        told.check()


class Failing(Scripted):
    """Raises at event `fails_at`."""

    def __init__(self, answers: Mapping[int, Answer], *, fails_at: int) -> None:
        super().__init__(answers)
        self.fails_at = fails_at

    def on_bar_data(self, bar: BarData) -> Answer:
        """The answer, or the end."""
        if len(self.seen) == self.fails_at:
            raise ValueError("enough")
        return super().on_bar_data(bar)


def test_a_paused_strategy_keeps_its_waiting_orders_and_gives_none() -> None:
    """It is asked on, so that it goes on where it would be when it is resumed."""
    told = Playing(state(lane("a")), {"a": {0: buy(1, limit=95), 2: BUY, 4: BUY}})
    told.at(100)
    told.does("pause", "a")
    told.at(100, 100, 90)
    assert (told.fills("a"), len(told.orders("a"))) == ([(95, 1)], 1)
    told.does("resume", "a")
    told.at(100, 100)
    assert [one.state for one in told.desk.state().lanes] == ["running"]
    assert len(told.asked["a", PERPETUAL.key].seen) == 6
    told.check()


def test_an_act_on_a_name_is_for_the_label_and_the_account_of_that_name() -> None:
    """Both are meant by it; other lanes go on."""
    told = Playing(state(lane("other", account="main"), lane("a", account="other"), lane("b")), {})
    told.does("pause", "other")
    paused = [one.lane for one in told.lines if isinstance(one, LaneLine)]
    assert paused == ["other", "a"]
    assert [one.state for one in told.desk.state().lanes] == ["paused", "paused", "running"]


def test_a_halt_takes_back_what_waits_but_what_protects_a_position() -> None:
    """A stop and a limit that close it stay; what would turn it, or opens one elsewhere, goes."""
    signals = [buy(2), sell(2, stop=90), sell(2, limit=110), sell(3, stop=80), buy(1, limit=70)]
    told = Playing(
        state(lane("a"), lane("b", OTHER)), {"a": {0: signals[0], 1: signals[1:]}, "b": {0: buy(1, limit=9)}}
    )
    told.at(100, 100)
    told.at(100, on=OTHER)
    told.does("halt", "main")
    states = [one.state for one in told.orders("a")]
    assert states == [OrderState.FILLED, *[OrderState.WORKING] * 2, *[OrderState.CANCELLED] * 2]
    assert [one.state for one in told.orders("b")] == [OrderState.CANCELLED]


def test_orders_that_close_a_halted_position_do_not_turn_it_together() -> None:
    """What is more than there is to close is taken back when its turn comes; not so while nobody is halted."""
    for halted, left in ((True, 0), (False, -3)):
        protecting = [sell(2, stop=90), sell(2, stop=90), sell(1, stop=90)]
        told = Playing(state(lane("a")), {"a": {0: buy(2), 1: protecting}})
        told.at(100, 100)
        if halted:
            told.does("halt", "main")
        told.at(90, 90, 90)
        assert told.held() == left
        if halted:
            assert [one.state for one in told.orders("a")[1:]] == [OrderState.FILLED, *[OrderState.CANCELLED] * 2]
            assert "nothing more to close" in told.orders("a")[-1].reason
        told.check()


def test_a_part_that_closes_a_halted_position_is_carried_out() -> None:
    """The rest of the order is taken back, and locks nothing any more."""
    told = Playing(state(lane("a")), {"a": {0: buy(5), 1: [sell(3, stop=90), sell(4, stop=90)]}})
    told.at(100, 100)
    told.does("halt", "main")
    told.at(90, 90)
    assert told.fills("a") == [(100, 5), (90, -3), (90, -2)]
    assert (told.held(), told.orders("a")[-1].state) == (0, OrderState.CANCELLED)
    assert told.desk.ledger.total_locked_for_account("main") == 0


def test_the_loss_of_a_day_halts_over_a_restart_until_midnight() -> None:
    """It is reached by what another symbol did; the next day begins with what the last one left."""
    begun = state(lane("a"), lane("b", OTHER), limits=Limits(day_loss_e12=10 * E12))
    told = Playing(begun, {"a": {0: BUY}, "b": {0: buy(1, limit=50), 1: BUY}})
    told.at(100, on=OTHER)
    told.at(100, 100, 90)
    assert told.desk.risk.halted == {"main": DAY_LOSS}
    assert [one.state for one in told.orders("b")] == [OrderState.CANCELLED]
    again = Playing(told.desk.state(), {"b": {0: BUY, 1: BUY}})
    again.at(100, on=OTHER)
    assert [one.state for one in again.orders("b")] == [OrderState.REJECTED]
    again.now_ns += DAY_NS
    again.at(100, 100, on=OTHER)
    assert (again.desk.risk.halted, again.held(OTHER)) == ({}, 1)
    assert again.desk.risk.day("main")[1] == 99_990 * E12
    again.check()


def test_kill_leaves_no_position_although_two_strategies_hold_opposite_ones() -> None:
    """Nor has the account the money for both ways at once: what one opens the other one closes."""
    told = Playing(state(lane("a", quantity=9), lane("b", quantity=9), money=1000), {"a": {0: BUY}, "b": {1: SELL}})
    told.at(100, 100, 100)
    assert [one.held_e8 // QUANTITY_SCALE for one in told.desk.state().lanes] == [9, -9]
    told.does("kill")
    told.at(100)
    assert [one.held_e8 for one in told.desk.state().lanes] == [0, 0]
    assert told.held() == 0
    assert set(told.desk.risk.halted.values()) == {BY_OPERATOR}
    assert told.desk.ledger.total_locked_for_account("main") == 0
    told.check()


def test_a_symbol_full_of_one_strategys_orders_can_be_flattened_and_traded_by_other_accounts() -> None:
    """The orders of an account are counted, and an operator's are not."""
    many = [buy(1, limit=1) for _ in range(MAX_WORKING)]
    lanes = lane("a"), lane("b"), lane("c", account="other")
    told = Playing(state(*lanes), {"a": {0: BUY}, "b": {1: many, 2: BUY}, "c": {2: BUY}})
    told.at(100, 100, 100, 100)
    assert (told.orders("b")[-1].state, told.fills("c")) == (OrderState.REJECTED, [(100, 1)])
    told.does("flatten", "a")
    told.at(100)
    assert told.fills("a") == [(100, 1), (100, -1)]


def test_the_order_rate_does_not_hold_an_operator_up() -> None:
    """A strategy that used up its minute is flattened, and resumes within the same minute with nothing left of it."""
    told = Playing(state(lane("a"), limits=Limits(orders_per_minute=1)), {"a": {0: BUY, 3: BUY}})
    told.at(100, 100)
    told.does("flatten")
    told.at(100, 100)
    assert (told.fills("a"), told.orders("a")[-1].state) == ([(100, 1), (100, -1)], OrderState.REJECTED)


def test_an_operators_order_counts_with_the_position() -> None:
    """As after a restart, before it is filled: a strategy does not go beyond the limit because of it."""
    begun = state(lane("a"), limits=Limits(position_e12=150 * E12))
    told = Playing(begun, {"a": {0: BUY}})
    told.at(100, 100)
    told.does("flatten")
    again = Playing(told.desk.state(), {})
    for desk in (told.desk, again.desk):
        exchange, key = desk.markets[PERPETUAL.key].exchange, PERPETUAL.key
        trader = desk.markets[key].lanes[0].trader
        trader.act(sell(2), at_ns=told.now_ns, next_tick=exchange.at, last_e9=100 * PRICE_SCALE)
        assert [one.state for one in exchange.take()[0]][-1] is OrderState.REJECTED


def test_a_liquidated_account_is_liquidated_elsewhere_too_and_can_be_flattened() -> None:
    """A second position that it can bear no longer is closed like the first; an operator gets what it has left sold.
    Strategies give it no order any more."""
    lanes = lane("a", quantity=10), lane("b", OTHER, quantity=2), lane("c", SPOT)
    told = Playing(state(*lanes, money=400, leverage=10), {"a": {0: BUY, 4: BUY}, "b": {0: BUY}, "c": {0: BUY}})
    told.at(100, 100, on=SPOT)
    told.at(100, 100, on=OTHER)
    told.at(100, 100, 65, 66, 66)
    assert [one.reason for one in told.orders("")] == [LIQUIDATION]
    assert told.orders("a")[-1].state is OrderState.REJECTED
    assert told.held(OTHER) == 2
    again = Playing(told.desk.state(), {"b": {0: BUY}})
    for one in (told, again):
        one.at(60, 60, on=OTHER)
        assert one.held(OTHER) == 0
        one.does("flatten")
        one.at(100, on=SPOT)
        assert (one.held(SPOT), one.desk.state().accounts[0].positions[0].quantity_e8) == (0, 0)
    assert [one.venue for one in told.orders("")] == [OTHER.venue] * 2
    told.check()


def test_a_lane_of_nobody_is_flattened() -> None:
    """What a strategy held that is gone is closed at the market."""
    told = Playing(state(lane("a")), {"a": {0: BUY}})
    told.at(100, 100)
    ghost = told.desk.state()
    again = Playing(ghost, {})
    again.does("flatten", "a")
    again.at(100)
    assert (again.held(), again.fills("a")) == (0, [(100, -1)])


def test_flatten_before_any_trade_of_a_symbol_does_nothing() -> None:
    """There is nothing that could be held."""
    told = Playing(state(lane("a")), {})
    told.does("flatten")
    assert len(told.lines) == 1


def test_an_order_on_its_way_over_a_restart_arrives_in_its_time() -> None:
    """Not at the first trade of the next session, and with the number that it has."""
    execution = Execution(NO_FEES, latency=Latency(base_ns=3 * NS_PER_S))
    told = Playing(state(lane("a"), execution=execution), {"a": {0: BUY}})
    told.at(100)
    again = Playing(told.desk.state(), {"a": {3: BUY, 4: SELL}})
    again.at(101, 102, 103, 104, 105)
    assert again.fills("a") == [(103, 1)]
    assert [one.number for one in again.orders("a")] == [1, 2]
    again.check()


@pytest.mark.parametrize(
    ("given", "context", "price"),
    [(94, (), 92), (100, (), 95), (100, (94,), 92), (94, (100, 96), 95)],
    ids=["takes", "rests", "takes by now", "rests by now"],
)
def test_an_order_that_had_not_arrived_meets_the_market_as_it_is_then(
    given: int, context: tuple[int, ...], price: int
) -> None:
    """A limit order takes when the last price, also of trades that are only looked at, is beyond its own already.
    Else it rests and gets no better one."""
    told = Playing(state(lane("a")), {"a": {0: buy(1, limit=95)}})
    told.at(given)
    again = Playing(told.desk.state(), {})
    if context:
        again.before(*context)
    again.at(92)
    assert again.fills("a") == [(price, 1)]
    again.check()


def test_missed_trades_fill_orders_and_strategies_look_on() -> None:
    """Several orders of one step, in the order of the trades that reach them."""
    told = Playing(state(lane("a")), {"a": {0: [buy(1, limit=95), buy(2, limit=90), sell(1, limit=120)]}})
    told.at(100)
    again = Playing(told.desk.state(), {"a": {0: BUY, 1: BUY}})
    again.at(96, 94, 89, kind=MISSED, apart=False)
    assert again.fills("a") == [(95, 1), (90, 2)]
    assert [one.number for one in again.desk.state().orders] == [3]
    again.check()


def test_a_desk_says_of_itself_what_it_began_with() -> None:
    """In every field, before anything happened to it."""
    told = Playing(state(lane("a"), lane("b", OTHER)), {"a": {0: [BUY, sell(1, stop=80)]}})
    told.at(100, 100)
    told.does("halt", "other")
    assert Desk(told.desk.state(), {}).state() == told.desk.state()
