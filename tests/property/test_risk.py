"""Whatever is ordered, filled, taken back and watched: no limit is exceeded, and the way out stays open.

The references are plain lists of everything that ever happened, which a risk does not keep.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from core.clock import DAY_NS, NS_PER_S
from core.model.instruments import Instrument, Product
from core.model.orders import Order, OrderKind, OrderState, RefusedOrderError, Side
from core.sim.accounts import AccountSpec, Limits
from core.sim.ledger import Ledger
from core.sim.risk import DAY_LOSS, Risk
from tests.unit.core.sim.examples import START_NS, instrument

E8, E9, E12 = 10**8, 10**9, 10**12
LINEAR = instrument(Product.LINEAR_PERPETUAL)
TRADED = [LINEAR, attrs.evolve(LINEAR, symbol="ETHUSD")]
ACCOUNTS = ["main", "other"]
MINUTE_S = 60

SECONDS = st.sampled_from([-3, 0, 1, 20, 60, 43_200])
ORDER = st.tuples(
    st.just("order"),
    st.sampled_from(ACCOUNTS),
    st.sampled_from(TRADED),
    st.sampled_from(Side),
    st.integers(1, 12),
    st.integers(80, 120),
)
PICKED = st.integers(0, 99)
FILL, CANCEL = (st.tuples(st.just(what), PICKED) for what in ("fill", "cancel"))
WATCH = st.tuples(st.just("watch"), st.sampled_from(ACCOUNTS), st.integers(900, 1100))
OPERATE = st.tuples(st.sampled_from(["halt", "release"]), st.sampled_from(ACCOUNTS))
ACTS = st.lists(
    st.tuples(SECONDS, st.one_of(ORDER, ORDER, ORDER, FILL, FILL, CANCEL, WATCH, WATCH, OPERATE)),
    min_size=10,
    max_size=60,
)
LIMITS = st.fixed_dictionaries(
    {
        name: st.builds(
            Limits,
            position_e12=st.sampled_from([0, 500 * E12, 1000 * E12]),
            day_loss_e12=st.sampled_from([0, 1, 100 * E12]),
            orders_per_minute=st.integers(0, 3),
        )
        for name in ACCOUNTS
    }
)


class World:
    """A risk, its ledger, and everything that was done with them."""

    def __init__(self, limits: dict[str, Limits]) -> None:
        self.limits = limits
        self.ledger = Ledger([AccountSpec(name, "USD", 10**6 * E12) for name in ACCOUNTS], "main")
        self.risk = Risk(limits, self.ledger)
        self.now_ns = START_NS
        self.open: list[tuple[Order, Instrument]] = []

    def act(self, seconds: int, acted: tuple[Any, ...]) -> tuple[Order | None, object]:
        """Do something so much later; the order if it was one, and the answer."""
        self.now_ns += seconds * NS_PER_S
        what, *details = acted
        if what == "order":
            account, traded, side, quantity, price = details
            order = Order(
                number=1,
                account=account,
                strategy="s",
                side=side,
                kind=OrderKind.MARKET,
                quantity_e8=quantity * E8,
                given_ns=self.now_ns,
            )
            try:
                self.risk.check(order, traded, price * E9)
            except RefusedOrderError as error:
                return order, str(error)
            self.open.append((order, traded))
            return order, None
        if what == "watch":
            return None, self.risk.watch(details[0], equity_e12=details[1] * E12, ts_ns=self.now_ns)
        if what == "halt":
            self.risk.halt(details[0], "an operator")
        elif what == "release":
            self.risk.release(details[0])
        elif self.open:
            order, traded = self.open.pop(details[0] % len(self.open))
            if what == "fill":
                self._fill(order, traded)
            order.enter(OrderState.FILLED if what == "fill" else OrderState.CANCELLED)
        return None, None

    def _fill(self, order: Order, traded: Instrument) -> None:
        self.ledger.settle(
            order,
            traded,
            quantity_e8=order.quantity_e8,
            price_e9=100 * E9,
            fee_ppm=0,
            ts_ns=self.now_ns,
            maker=False,
        )
        order.filled_e8 = order.quantity_e8

    def restarted(self) -> None:
        """Put another risk in place of this one, from what a session keeps of it."""
        other = Risk(self.limits, self.ledger)
        for name in ACCOUNTS:
            day_ns, day_e12 = self.risk.day(name)
            other.restore(name, halted=self.risk.halted.get(name, ""), day_ns=day_ns, day_e12=day_e12)
        for order, traded in self.open:
            other.adopt(order, traded)
        self.risk = other


def ordered(
    limits: dict[str, Limits], acts: list[tuple[int, tuple[Any, ...]]]
) -> Iterator[tuple[World, tuple[Any, ...], Order, object, int]]:
    """The world after each order, what was asked, the order, why it was refused, and what was held before."""
    world = World(limits)
    for seconds, acted in acts:
        held_e8 = world.ledger.position_e8(acted[1], acted[2]) if acted[0] == "order" else 0
        order, answer = world.act(seconds, acted)
        if order is not None:
            yield world, acted, order, answer, held_e8


@settings(max_examples=150)
@given(LIMITS, ACTS)
def test_no_accepted_order_can_lead_beyond_the_largest_position(
    limits: dict[str, Limits], acts: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """An order that passes, filled with all open ones of its side, leaves a position within the limit, or it
    only reduces what there is."""
    for world, (_, account, traded, side, _, price), order, refused, held_e8 in ordered(limits, acts):
        reduces = held_e8 * side.sign < 0 and order.quantity_e8 <= abs(held_e8)
        if refused is None and limits[account].position_e12 and not reduces:
            same = [
                one for one, where in world.open if where is traded and (one.account, one.side) == (account, side)
            ]
            after_e8 = held_e8 + side.sign * sum(one.left_e8 for one in same)
            assert abs(after_e8) * price * (E12 // E8) <= limits[account].position_e12


@settings(max_examples=150)
@given(LIMITS, ACTS)
def test_what_only_reduces_always_passes(limits: dict[str, Limits], acts: list[tuple[int, tuple[Any, ...]]]) -> None:
    """Neither a halt nor the largest position keeps anybody in; the order rate may, and orders enough that wait
    already to turn the position beyond its limit."""
    for world, (_, account, traded, side, _, price), order, refused, held_e8 in ordered(limits, acts):
        if held_e8 * order.side.sign < 0 and order.quantity_e8 <= abs(held_e8):
            same = [
                one for one, where in world.open if where is traded and (one.account, one.side) == (account, side)
            ]
            after_e8 = order.quantity_e8 * (refused is not None) + sum(one.left_e8 for one in same) - abs(held_e8)
            beyond = after_e8 > abs(held_e8) and after_e8 * price * (E12 // E8) > limits[account].position_e12 > 0
            assert refused is None or "in a minute" in str(refused) or beyond
            assert refused is not None or not beyond
        elif account in world.risk.halted:
            assert refused is not None


@settings(max_examples=150)
@given(LIMITS, ACTS)
def test_no_minute_has_more_orders_than_its_limit(
    limits: dict[str, Limits], acts: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """In any 60 s of a clock that stands still where the venue's goes back; and none is refused for it before."""
    given_ns: dict[str, list[int]] = {name: [] for name in ACCOUNTS}
    for _, (_, account, *_), order, refused, _ in ordered(limits, acts):
        most, passed = limits[account].orders_per_minute, given_ns[account]
        now_ns = max([order.given_ns, *passed])
        recent = sum(now_ns - one < MINUTE_S * NS_PER_S for one in passed)
        if refused is None:
            assert not most or recent < most
            passed.append(now_ns)
        elif "in a minute" in str(refused):
            assert recent == most > 0


@settings(max_examples=150)
@given(LIMITS, ACTS)
def test_the_loss_of_a_day_halts_exactly_when_it_reaches_its_limit(
    limits: dict[str, Limits], acts: list[tuple[int, tuple[Any, ...]]]
) -> None:
    """Told apart from a list of all worths, days and acts of operators."""
    world = World(limits)
    operators: set[str] = set()
    worths: dict[str, list[tuple[int, int]]] = {name: [] for name in ACCOUNTS}
    for seconds, acted in acts:
        before = world.risk.halted.get(acted[1]) if acted[0] == "watch" else None
        _, answer = world.act(seconds, acted)
        if acted[0] in {"halt", "release"}:
            {"halt": operators.add, "release": operators.discard}[acted[0]](acted[1])
        if acted[0] == "release":
            worths[acted[1]] = []
        if acted[0] != "watch":
            continue
        account, seen = acted[1], worths[acted[1]]
        seen.append((max([world.now_ns // DAY_NS, *(day for day, _ in seen)]), acted[2] * E12))
        today = [worth_e12 for day, worth_e12 in seen if day == seen[-1][0]]
        most_e12 = limits[account].day_loss_e12
        lost = account not in operators and any(most_e12 and today[0] - one >= most_e12 for one in today)
        if account in operators:
            assert world.risk.halted[account] == "an operator"
        elif len(today) == 1 or before != DAY_LOSS:
            assert answer is (world.risk.halted.get(account) == DAY_LOSS)
        assert (world.risk.halted.get(account) == DAY_LOSS) is bool(lost)


@settings(max_examples=150)
@given(LIMITS, ACTS, st.data())
def test_a_restored_risk_gives_the_same_answers(
    limits: dict[str, Limits], acts: list[tuple[int, tuple[Any, ...]]], data: st.DataObject
) -> None:
    """One that is replaced at any moment by another, restored from what is kept, answers as one that goes on. The
    order rate aside, whose minute begins anew."""
    unhurried = {name: attrs.evolve(one, orders_per_minute=0) for name, one in limits.items()}
    world, interrupted = World(unhurried), World(unhurried)
    at = data.draw(st.integers(0, len(acts) - 1))
    for number, (seconds, acted) in enumerate(acts):
        if number == at:
            interrupted.restarted()
        assert world.act(seconds, acted)[1] == interrupted.act(seconds, acted)[1]
        assert world.risk.halted == interrupted.risk.halted
