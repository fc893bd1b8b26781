"""A desk on which everything happens that can, decided by a seed: the same seed brings the same steps and lines."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final, NamedTuple

import attrs
import numpy as np

from core.bars.series import BarData
from core.bars.spec import BarDataMode
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_SCALE, QUANTITY_SCALE
from core.model.instruments import IN_FULL, Instrument, Product
from core.sim.accounts import AccountSpec, Limits
from core.sim.fees import FeeSchedule
from core.sim.lines import ActKind, ActLine
from core.sim.models import Execution, Latency, Slippage
from core.sim.positions import Key
from core.sim.state import DeskState, LaneSpec
from core.sim.tape import MISSED, TRADE
from core.sim.trader import Sizing
from core.strategy import Signal, Strategy, buy, sell
from tests.unit.core.sim.desks import Recorded, desk_state
from tests.unit.core.sim.examples import START_NS, instrument
from tests.unit.core.sim.scripted import Answer, Scripted

E12: Final = 10**12
MINUTE_NS: Final[int] = 60 * NS_PER_S
PRODUCTS: Final = {
    "BTCUSD": Product.SPOT,
    "ETHUSD": Product.LINEAR_PERPETUAL,
    "SOLUSD": Product.LINEAR_FUTURE,
    "XBTUSD": Product.INVERSE_PERPETUAL,
}
ACCOUNTS: Final = (
    AccountSpec("main", "USD", 2000 * E12, leverage=3),
    AccountSpec("thin", "USD", 300 * E12, leverage=20),
    AccountSpec("coins", "BTC", E12, leverage=10),
)
_ACTS: Final[tuple[ActKind, ...]] = ("pause", "resume", "resume", "halt", "release", "release", "flatten", "kill")
_TARGETS: Final = ("", "first", "second", "main", "thin", "coins")


class Wild(Scripted):
    """Answers as told, and raises at the event `fails_at`."""

    fails_at = -1

    def on_bar_data(self, bar: BarData) -> Answer:
        """The answer for this event."""
        if len(self.seen) == self.fails_at:
            raise ValueError("it went wild")
        return super().on_bar_data(bar)

    def fall_silent(self) -> None:
        """Want nothing any more, and do not fail."""
        self.answers, self.fails_at = {}, -1


class Told(NamedTuple):
    """What a desk is told in one step: an act, an instant that passed, or trades of some kind."""

    key: Key
    ticks: Ticks | None = None
    kind: int = 0
    passed_ns: int = 0
    act: ActLine | None = None

    def tell(self, recorded: Recorded) -> None:
        """Tell it."""
        if self.act is not None:
            recorded.act(self.act)
        elif self.ticks is None:
            recorded.clock(self.key, self.passed_ns)
        else:
            recorded.trades(self.key, self.ticks, self.kind)


def instruments() -> list[Instrument]:
    """One of each way to settle, and two that share an account."""
    return [
        attrs.evolve(
            instrument(product), symbol=symbol, base="BTC" if product is Product.INVERSE_PERPETUAL else symbol[:3]
        )
        for symbol, product in PRODUCTS.items()
    ]


def beginning(seed: int) -> DeskState:
    """The desk of a seed before anything happened."""
    choose = random.Random(seed)
    execution = Execution(
        FeeSchedule(choose.choice((-100, 0, 200)), choose.choice((0, 500)), "a test"),
        Slippage(ppm=choose.choice((0, 300))),
        Latency(base_ns=choose.choice((0, 0, NS_PER_S)), jitter_ns=choose.choice((0, 2 * NS_PER_S)), seed=seed),
        touch=choose.random() < 0.5,
    )
    limits = {"main": Limits(position_e12=1500 * E12, day_loss_e12=100 * E12, orders_per_minute=10)}
    return desk_state(instruments(), _lanes(choose), ACCOUNTS, execution, limits if seed % 2 else {})


def _lanes(choose: random.Random) -> Iterator[LaneSpec]:
    for one in instruments():
        for label in choose.sample(("first", "second", "other"), choose.choice((2, 2, 3))):
            yield LaneSpec(
                label=label,
                strategy="scripted",
                sha256="",
                parameters={},
                account="coins" if one.settle == "BTC" else choose.choice(("main", "thin")),
                venue=one.venue,
                symbol=one.symbol,
                bars=choose.choice(("1m", "1m", "1t", "3t", "5m")),
                mode=choose.choice((BarDataMode.ON_EACH_TICK, *BarDataMode)),
                sizing=Sizing(
                    quantity_e8=_quantity_e8(one.symbol, choose),
                    shorts=one.product not in IN_FULL and choose.random() < 0.7,
                ),
            )


def _quantity_e8(symbol: str, choose: random.Random) -> int:
    quantity_e8: int = choose.choice((1, 2, 5, 30)) * (20 if symbol == "XBTUSD" else 1) * QUANTITY_SCALE
    return quantity_e8


def strategies(state: DeskState, seed: int) -> dict[tuple[str, Key], Strategy]:
    """A strategy for each lane, which wants anything at any time."""
    choose = random.Random(seed + 1)
    found: dict[tuple[str, Key], Strategy] = {}
    for lane in state.lanes:
        answers = {event: _answer(lane.spec.symbol, choose) for event in range(60) if choose.random() < 0.5}
        strategy = Wild(answers, lane.spec.mode)
        strategy.fails_at = choose.choice((-1, -1, choose.randrange(40)))
        found[lane.spec.label, lane.spec.key] = strategy
    return found


def _answer(symbol: str, choose: random.Random) -> Answer:
    act, price = choose.choice((buy, sell)), choose.randrange(85, 116)
    quantity = choose.choice((0, 0, _quantity_e8(symbol, choose) // QUANTITY_SCALE))
    signals: tuple[Signal, ...] = (
        act(quantity),
        act(quantity, limit=price),
        act(quantity, limit=price),
        act(quantity, stop=price),
        attrs.evolve(act(quantity, limit=price), cancel=True),
    )
    return [choose.choice(signals), choose.choice(signals)] if choose.random() < 0.3 else choose.choice(signals)


def script(seed: int, count: int) -> Iterator[Told]:
    """What the desk is told in `count` steps: prices that wander and sometimes jump, over two days."""
    choose = random.Random(seed + 2)
    now_ns = START_NS + 86_399 * NS_PER_S - count * NS_PER_S
    prices = dict.fromkeys([one.key for one in instruments()], 100.0)
    for _ in range(count):
        key = choose.choice(list(prices))
        now_ns += choose.choice((0, 1, 1, 5)) * NS_PER_S
        dice = choose.random()
        if dice < 0.05:
            act, target = choose.choice(_ACTS), choose.choice(_TARGETS)
            yield Told(key, act=ActLine(act=act, target=target, by="a test", wall_ns=now_ns))
        elif dice < 0.15:
            over_ns = now_ns + MINUTE_NS - now_ns % MINUTE_NS  # when a bar is over, to the nanosecond
            now_ns = choose.choice((now_ns, now_ns, over_ns))
            yield Told(key, passed_ns=now_ns)
        else:
            moves = []
            for _ in range(choose.choice((1, 1, 2, 6))):
                prices[key] *= choose.choice((0.85, 1.15)) if choose.random() < 0.03 else choose.uniform(0.98, 1.02)
                moves.append(int(prices[key] * 100) * (PRICE_SCALE // 100))
            quantities = [choose.choice((1, 3, 1000)) * QUANTITY_SCALE for _ in moves]
            ticks = Ticks(
                now_ns + np.arange(len(moves), dtype=np.int64) * (NS_PER_S // 10),
                np.array(moves, np.int64),
                np.array(quantities, np.int64),
                np.full(len(moves), ord("N"), np.uint8),
            )
            now_ns += len(moves) * NS_PER_S // 10
            yield Told(key, ticks, MISSED if dice > 0.97 else TRADE)


def wild(seed: int, count: int, state: DeskState | None = None) -> tuple[Recorded, list[DeskState]]:
    """The desk of a seed, or one that goes on from `state`, after so many steps; and its state after each of them on
    its tape."""
    state = state or beginning(seed)
    recorded = Recorded(state, strategies(state, seed))
    states: list[DeskState] = []
    for told in script(seed, count):
        before = len(recorded.rows)
        told.tell(recorded)
        if len(recorded.rows) > before:  # a clock mark may change nothing
            states.append(recorded.desk.state())
    return recorded, states
