"""A desk of two strategies, two accounts and two symbols that always trades the same, and the session it writes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Final

import attrs
import numpy as np

from console.paper.desks import desk_folder
from console.paper.session import Session, begin
from core.bars.spec import BarDataMode
from core.bars.ticks import Ticks
from core.clock import NS_PER_S
from core.model.fixedpoint import PRICE_SCALE, QUANTITY_SCALE
from core.model.instruments import Instrument, Product
from core.sim.accounts import AccountSpec, Limits
from core.sim.fees import FeeSchedule
from core.sim.lines import ActKind, ActLine, HoleLine
from core.sim.models import Execution
from core.sim.positions import Key
from core.sim.state import DeskState, LaneSpec, SessionHead
from core.sim.tape import Rows
from core.sim.trader import Sizing
from core.strategy import Strategy, buy, sell
from tests.unit.core.sim.desks import Recorded, desk_state
from tests.unit.core.sim.examples import instrument
from tests.unit.core.sim.scripted import Answer, Scripted

DESK: Final = "default"
T0: Final = 1_800_000_000 * NS_PER_S
E12: Final = 10**12
SPOT: Final[Key] = ("SIM.EXCHANGE", "BTCUSD")
PERPETUAL: Final[Key] = ("SIM.EXCHANGE", "ETHUSD")
KEYS: Final = (SPOT, PERPETUAL)
OPERATOR: Final = "somebody over a test"
LONG: Final[dict[int, Answer]] = {2: buy(2), 30: sell(1), 50: buy(1, limit=50), 51: buy(10_000)}
"""`long` on BTCUSD buys, sells a part, leaves an order that waits, and wants more than it can pay."""
SHORT: Final[dict[int, Answer]] = {4: sell(3), 40: buy(5), 60: sell(1, stop=20)}
"""`short` on ETHUSD goes short, turns, and leaves a stop."""


def instruments() -> tuple[Instrument, Instrument]:
    """What the desk trades: a spot and a perpetual, both in USD."""
    perpetual = attrs.evolve(
        instrument(Product.LINEAR_PERPETUAL), symbol="ETHUSD", venue_symbol="ETH/USD", canonical="ETHUSD", base="ETH"
    )
    return instrument(), perpetual


def beginning() -> DeskState:
    """The desk before anything happened: accounts `main` with 1000 USD and `margin` with 5000 and a leverage of 5."""
    return desk_state(
        instruments(),
        (_lane("long", "main", SPOT), _lane("short", "margin", PERPETUAL)),
        (AccountSpec("main", "USD", 1000 * E12), AccountSpec("margin", "USD", 5000 * E12, leverage=5)),
        Execution(FeeSchedule(1000, 2000, "a test")),
        {"margin": Limits(day_loss_e12=4000 * E12, orders_per_minute=100)},
    )


def _lane(label: str, account: str, key: Key) -> LaneSpec:
    return LaneSpec(
        label=label,
        strategy="scripted",
        sha256="ab" * 32,
        parameters={},
        account=account,
        venue=key[0],
        symbol=key[1],
        bars="1m",
        mode=BarDataMode.ON_EACH_TICK,
        sizing=Sizing(quantity_e8=QUANTITY_SCALE),
    )


def strategies() -> dict[tuple[str, Key], Strategy]:
    """The strategies of its lanes."""
    return {("long", SPOT): Scripted(LONG), ("short", PERPETUAL): Scripted(SHORT)}


def tick(number: int) -> Ticks:
    """Trade number `number` of a symbol, one every 5 s: prices go down from 110 to 90 and up again."""
    return Ticks(
        np.array([T0 + number * 5 * NS_PER_S], np.int64),
        np.array([(90 + abs(number % 40 - 20)) * PRICE_SCALE], np.int64),
        np.array([1000 * QUANTITY_SCALE], np.int64),
        np.array([ord("N")], np.uint8),
    )


def traded(count: int = 70, state: DeskState | None = None) -> Recorded:
    """The desk after `count` trades of each symbol, one after the other."""
    recorded = Recorded(state or beginning(), strategies())
    for number in range(count):
        for key in KEYS:
            recorded.trades(key, tick(number))
    return recorded


def act(kind: ActKind, target: str = "") -> ActLine:
    """What an operator did."""
    return ActLine(act=kind, target=target, by=OPERATOR, wall_ns=T0)


def hole(rows: int, key: Key = SPOT) -> HoleLine:
    """Trades that were not seen."""
    return HoleLine(venue=key[0], symbol=key[1], ts_ns=T0, rows=rows, cause="a test")


def head(state: DeskState | None = None, *, session: str = "20270115T080000Z", created_ns: int = T0) -> SessionHead:
    """The head of a session of the desk."""
    return SessionHead(session=session, desk=DESK, created_ns=created_ns, state=state or beginning())


def commit(session: Session, recorded: Recorded) -> None:
    """Write what was recorded into a session that has nothing yet."""
    rows, written = recorded.rows, 0
    for step in recorded.steps:
        session.commit(recorded.lines[written : step.lines], partial(_standing_at, rows[step.first : step.end]))
        written = step.lines


def write(state_directory: Path, recorded: Recorded, *, created_ns: int = T0) -> str:
    """Write what was recorded as a session of the desk under that directory; its name."""
    with desk_folder(state_directory, DESK) as folder:
        begun = begin(folder, head(recorded.state, created_ns=created_ns))
        commit(begun, recorded)
        begun.close()
    return begun.head.session


def _standing_at(rows: Rows, lines: int) -> Rows:
    made = rows.copy()
    made["lines"] = lines
    return made
