"""What a paper session writes down, one line each: signals, orders, fills, accounts, acts. Pure values.

Together the lines of a session are its ledger: what an account holds after the last of them is what it holds. Amounts
are integers at 1e-12 of a currency, prices at 1e-9, quantities at 1e-8, times in ns since the epoch by the venue's
clock. A lane is one strategy on one symbol; its `lane` is the label of the strategy, the same on all its symbols.
"""

from __future__ import annotations

from typing import Final, Literal, get_args

import msgspec

from core.model.orders import OrderKind, OrderState, Side

ActKind = Literal["pause", "resume", "halt", "release", "flatten", "kill"]
ACTS: Final[tuple[ActKind, ...]] = get_args(ActKind)
"""What an operator can do to a desk that is traded on."""

LaneState = Literal["running", "paused", "stopped"]


class _Line(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", forbid_unknown_fields=True):
    pass


class SignalLine(_Line, frozen=True, kw_only=True, tag="signal"):
    """What a strategy wanted, and the price at which it wanted it. `action` is -1, 0 (a cancel) or 1."""

    lane: str
    venue: str
    symbol: str
    ts_ns: int
    action: int
    last_e9: int
    quantity_e8: int = 0
    limit_e9: int = 0
    stop_e9: int = 0
    cancel: bool = False


class OrderLine(_Line, frozen=True, kw_only=True, tag="order"):
    """An order as it stands after a step in which something became of it. `lane` is empty for a liquidation. `aim` is
    that of `Order`; `locked_e12` of `locked` is what it still sets aside; `resting` as in `Waiting`."""

    number: int
    lane: str
    account: str
    venue: str
    symbol: str
    side: Side
    type: OrderKind
    quantity_e8: int
    limit_e9: int
    stop_e9: int
    given_ns: int
    active_ns: int
    filled_e8: int
    triggered: bool
    state: OrderState
    reason: str
    aim: int
    locked: str
    locked_e12: int
    resting: bool | None


class FillLine(_Line, frozen=True, kw_only=True, tag="fill"):
    """A part of an order that was carried out, as `core.model.orders.Fill`."""

    order: int
    lane: str
    account: str
    venue: str
    symbol: str
    side: Side
    ts_ns: int
    price_e9: int
    quantity_e8: int
    fee_e12: int
    realised_e12: int
    currency: str
    maker: bool
    reason: str


class PositionLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an account holds of one instrument, as `core.sim.positions.Position`."""

    venue: str
    symbol: str
    quantity_e8: int
    cost_e12: int
    realised_e12: int
    margin_e12: int


class AccountLine(_Line, frozen=True, kw_only=True, tag="account"):
    """An account as it stands after a step that changed it. `halted` says why it gets no orders but those that reduce
    a position, and is empty while it does; `day_ns` and `day_e12` are the day and the worth at its first trade, of
    which the loss of the day is counted."""

    id: str
    currency: str
    leverage: int
    initial_e12: int
    balances_e12: dict[str, int]
    locked_e12: dict[str, int]
    positions: list[PositionLine]
    margin_e12: int
    fees_e12: int
    halted: str
    liquidated: bool
    day_ns: int
    day_e12: int


class EquityLine(_Line, frozen=True, kw_only=True, tag="equity"):
    """What an account was worth at an instant, before what was traded then; some seconds apart."""

    account: str
    ts_ns: int
    equity_e12: int


class LaneLine(_Line, frozen=True, kw_only=True, tag="lane"):
    """A strategy on a symbol was paused, went on, or was stopped, and why. `event` is the number of the event, from 0
    and counted since the session began, at which it failed; -1 where it did not."""

    lane: str
    venue: str
    symbol: str
    state: LaneState
    reason: str
    ts_ns: int
    event: int = -1


class ActLine(_Line, frozen=True, kw_only=True, tag="act"):
    """Something an operator did. `target` is a lane's label or an account's id, empty for all of them; `by` says who
    it was and over what. `wall_ns` is by the clock of the machine."""

    act: ActKind
    target: str
    by: str
    wall_ns: int


class HoleLine(_Line, frozen=True, kw_only=True, tag="hole"):
    """Trades of a symbol that the session did not see: `rows` of them, 0 when nobody knows how many, after that of
    `ts_ns`. `cause` is for people."""

    venue: str
    symbol: str
    ts_ns: int
    rows: int
    cause: str


class RingLine(_Line, frozen=True, kw_only=True, tag="ring"):
    """The ring from which a symbol is read from now on: its file, the inode and the epoch of its producer."""

    venue: str
    symbol: str
    ring: str
    inode: int
    epoch: int


Line = SignalLine | OrderLine | FillLine | AccountLine | EquityLine | LaneLine | ActLine | HoleLine | RingLine

_DECODER: Final[msgspec.json.Decoder[Line]] = msgspec.json.Decoder(Line)
_ENCODER: Final = msgspec.json.Encoder()


def encode_lines(lines: list[Line]) -> bytes:
    """The lines as they stand in a file: JSON, each with its newline."""
    return _ENCODER.encode_lines(lines)


def decode_line(raw: bytes) -> Line:
    """The line in `raw`, without its newline. Raises `ValueError` when it is none."""
    return _DECODER.decode(raw)
