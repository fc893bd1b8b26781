"""Sessions that were really traded: trades go through the intake to strategies of ours, and everything to files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np

from console.paper.desks import desk_folder
from console.paper.merging import opened
from console.paper.past import LEDGER, TAPE_FILE
from console.paper.session import begin
from console.paper.trading import Trading
from core.bars.spec import BarDataMode
from core.clock import NS_PER_S
from core.model.records import TRADE, Records
from core.sim.accounts import AccountSpec
from core.sim.fees import FeeSchedule
from core.sim.lines import Line, decode_line, encode_lines
from core.sim.models import Execution
from core.sim.paper import Desk
from core.sim.state import DeskState, LaneSpec, LaneStart, MarketStart
from core.sim.tape import TAPE, Rows
from core.sim.tape import TRADE as STEP
from core.sim.trader import Sizing
from strategies.catalogue import make_strategy
from tests.unit.console.paper.desks import DESK, E12, SPOT, T0, head
from tests.unit.core.sim.examples import instrument

APPROVED: Final = Path("/nonexistent")
CROSSING: Final = {"short": "1", "long": "2"}
"""With these an average crosses at every turn of the price."""


def beginning(strategy: str = "sma", sha256: str = "") -> DeskState:
    """A desk of one strategy on BTCUSD with 100 000 USD; without `sha256` that of the strategy as it is."""
    spec = LaneSpec(
        label="mine",
        strategy=strategy,
        sha256=sha256 or make_strategy(strategy, CROSSING, APPROVED).sha256,
        parameters=CROSSING if strategy == "sma" else {},
        account="main",
        venue=SPOT[0],
        symbol=SPOT[1],
        bars="1t",
        mode=BarDataMode.ON_CLOSE_BAR,
        sizing=Sizing(quantity_e8=10**8),
    )
    return DeskState(
        markets=[MarketStart(instrument=instrument(), execution=Execution(FeeSchedule(1000, 2000, "a test")))],
        lanes=[LaneStart(spec=spec)],
        accounts=[opened(AccountSpec("main", "USD", 100_000 * E12))],
        limits={},
    )


@contextmanager
def trading(state_directory: Path, state: DeskState, approved: Path = APPROVED) -> Iterator[Trading]:
    """A session on that desk that is written as long as the block lasts."""
    strategies = {
        (one.spec.label, one.spec.key): make_strategy(one.spec.strategy, one.spec.parameters, approved).strategy
        for one in state.lanes
    }
    with desk_folder(state_directory, DESK) as folder:
        found = Trading(Desk(state, strategies), begin(folder, head(state)))
        yield found
        found.close()


def go_on(found: Trading, count: int, first: int = 0) -> None:
    """So many trades, one a second: the price goes up for five of them, and down for five."""
    for number in range(first, first + count):
        found.trades(found.feeds[SPOT], record(number), number + 1, kind=STEP, mono_ns=number * NS_PER_S)


def record(number: int) -> Records:
    """Trade number `number`."""
    made: Records = np.zeros(1, TRADE)
    made["ts_event"] = made["ts_recv"] = T0 + number * NS_PER_S
    made["price"] = (100 + abs(number % 10 - 5)) * 10**9
    made["size"], made["side"], made["publisher_id"] = 50, b"B", 1
    return made


def session(state_directory: Path, count: int = 60, *, strategy: str = "sma", approved: Path = APPROVED) -> Path:
    """The folder of a session of so many trades that is over."""
    state = beginning(strategy, "" if strategy == "sma" else make_strategy(strategy, {}, approved).sha256)
    with trading(state_directory, state, approved) as found:
        go_on(found, count)
    return found.session.folder


def change_ledger(folder: Path, change: Callable[[list[Line]], list[Line]]) -> None:
    """Write other lines in place of those of a ledger."""
    path = folder / LEDGER
    path.write_bytes(encode_lines(change([decode_line(raw) for raw in path.read_bytes().splitlines()])))


def change_tape(folder: Path, change: Callable[[Rows], None]) -> None:
    """Change rows of a tape."""
    path = folder / TAPE_FILE
    rows: Rows = np.frombuffer(path.read_bytes(), TAPE).copy()
    change(rows)
    path.write_bytes(rows.tobytes())
