"""What an engine says of the desk that trades on paper, as frozen values: accounts, positions, orders, strategies.

Amounts are exact; one that the engine does not tell is None.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import attrs

Amount = Decimal | None
Pockets = tuple[tuple[str, Decimal], ...]
"""Amounts by currency."""
LaneId = tuple[str, str, str]
"""(label, venue, symbol): one strategy on one symbol."""

RUNNING: Final = "running"
STREAMING: Final = "streaming"


@attrs.frozen(kw_only=True)
class Curve:
    """What an account was worth at `ts_ns`, ascending."""

    ts_ns: tuple[int, ...] = ()
    values: tuple[float, ...] = ()


@attrs.frozen(kw_only=True)
class Account:
    """One account. `halted` says why it gets no orders but those that reduce a position, and is empty while it does;
    `today` is what it won since the first trade of the day, `share` what it won since it began as a share of that.
    Of the limits `""` and 0 are none."""

    id: str
    currency: str = ""
    leverage: int = 1
    initial: Amount = None
    equity: Amount = None
    today: Amount = None
    share: Amount = None
    free: Amount = None
    margin: Amount = None
    fees: Amount = None
    realised: Amount = None
    unrealised: Amount = None
    balances: Pockets = ()
    locked: Pockets = ()
    halted: str = ""
    liquidated: bool = False
    most_position: Amount = None
    most_day_loss: Amount = None
    most_orders: int = 0
    curve: Curve = Curve()


@attrs.frozen(kw_only=True)
class Position:
    """What an account holds of one symbol; `quantity` is below 0 for a short one."""

    account: str
    venue: str
    symbol: str
    currency: str = ""
    quantity: Amount = None
    average: Amount = None
    mark: Amount = None
    worth: Amount = None
    unrealised: Amount = None
    realised: Amount = None
    margin: Amount = None


@attrs.frozen(kw_only=True)
class Lane:
    """One strategy on one symbol, and how often it did what. `state` is `RUNNING`, "paused" or "stopped", for the
    `reason` given; instants are by the venue's clock, 0 for never."""

    label: str
    venue: str
    symbol: str
    account: str
    strategy: str = ""
    sha256: str = ""
    bars: str = ""
    mode: str = ""
    state: str = ""
    reason: str = ""
    held: Amount = None
    signals: int = 0
    orders: int = 0
    fills: int = 0
    rejected: int = 0
    last_signal_ns: int = 0
    last_trade_ns: int = 0

    @property
    def key(self) -> LaneId:
        """What identifies it."""
        return self.label, self.venue, self.symbol


@attrs.frozen(kw_only=True)
class WorkingOrder:
    """An order that waits; `limit` and `stop` are None where it has none."""

    number: int
    label: str
    account: str
    venue: str
    symbol: str
    side: str = ""
    type: str = ""
    quantity: Amount = None
    filled: Amount = None
    limit: Amount = None
    stop: Amount = None
    state: str = ""
    given_ns: int = 0
    reason: str = ""


@attrs.frozen(kw_only=True)
class Fill:
    """A part of an order that was carried out."""

    order: int
    label: str
    account: str
    venue: str
    symbol: str
    side: str = ""
    ts_ns: int = 0
    price: Amount = None
    quantity: Amount = None
    fee: Amount = None
    realised: Amount = None
    currency: str = ""
    maker: bool = False
    reason: str = ""


@attrs.frozen(kw_only=True)
class Stream:
    """One symbol that is traded. `feed` is `STREAMING`, "waiting" or "silent"; `late` trades came after their time
    (None where nobody counted them), `lost` is what the `holes` in what was seen are known to have swallowed."""

    venue: str
    symbol: str
    last: Amount = None
    last_ns: int = 0
    ticks: int = 0
    late: int | None = None
    holes: int = 0
    lost: int = 0
    feed: str = ""


@attrs.frozen(kw_only=True)
class ActDone:
    """Something an operator did, or was refused: when by the machine's clock, to what, and what came of it."""

    wall_ns: int
    act: str
    target: str
    by: str
    outcome: str = ""


@attrs.frozen(kw_only=True)
class Delays:
    """How long the desk takes for a step, from the ring to the disk, in us."""

    p50_us: float
    p99_us: float
    max_us: float
    count: int


@attrs.frozen(kw_only=True)
class Desk:
    """The whole answer. `host` is the instance that trades, `pid` its process; `newest_ns` the newest trade of any
    symbol by the venue's clock."""

    name: str = ""
    session: str = ""
    running: bool = False
    host: str = ""
    pid: int = 0
    created_ns: int = 0
    trades_seen: int = 0
    accounts: tuple[Account, ...] = ()
    positions: tuple[Position, ...] = ()
    lanes: tuple[Lane, ...] = ()
    orders: tuple[WorkingOrder, ...] = ()
    fills: tuple[Fill, ...] = ()
    streams: tuple[Stream, ...] = ()
    acts: tuple[ActDone, ...] = ()
    notes: tuple[str, ...] = ()
    delays: Delays | None = None

    @property
    def newest_ns(self) -> int:
        """The newest trade there was, 0 for none."""
        return max((one.last_ns for one in self.streams), default=0)

    @property
    def labels(self) -> list[str]:
        """The labels of its strategies, each once."""
        return list(dict.fromkeys(one.label for one in self.lanes))

    @property
    def account_ids(self) -> list[str]:
        """The ids of its accounts."""
        return [one.id for one in self.accounts]


def copy_account(account: Account) -> str:
    """The figures of an account as tab-separated text for another program."""
    figures = (account.initial, account.equity, account.free, account.realised, account.unrealised, account.fees)
    return "\t".join((account.id, account.currency, *("" if one is None else f"{one:f}" for one in figures)))


@attrs.frozen(kw_only=True)
class Heard:
    """What the screen knows of the desk: the last answer, kept while there is none for the `reason` given; `refused`
    tells that the engine answered, and has none to tell of. `beside` tells that a process of its own trades on it,
    which is asked in the engine's place. `number` grows with each question."""

    number: int = 0
    desk: Desk | None = None
    reason: str = ""
    refused: bool = False
    beside: bool = False
