"""All there is to know of a desk of paper traders at one instant: from it another goes on exactly. Pure values.

It stands at the head of each session, as JSON; integers as in `core.sim.lines`.
"""

from __future__ import annotations

from typing import Final

import attrs
import msgspec

from core.bars.spec import BarDataMode
from core.model.instruments import Instrument
from core.sim.accounts import Limits
from core.sim.lines import AccountLine, LaneState, OrderLine
from core.sim.models import Execution
from core.sim.positions import Key
from core.sim.trader import Sizing

VERSION: Final = 1


@attrs.frozen(kw_only=True)
class LaneSpec:
    """One strategy on one symbol. `strategy` is its name or the path of its file, "" for one that is gone and of
    which something is left; `bars` are those of `BarType.parse`."""

    label: str
    strategy: str
    sha256: str
    parameters: dict[str, str]
    account: str
    venue: str
    symbol: str
    bars: str
    mode: BarDataMode
    sizing: Sizing = attrs.Factory(Sizing)

    @property
    def key(self) -> Key:
        """The instrument that it trades."""
        return self.venue, self.symbol


class LaneStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A lane, what its orders have bought so far (below 0 when it is short), and whether it trades."""

    spec: LaneSpec
    held_e8: int = 0
    state: LaneState = "running"
    reason: str = ""


class MarketStart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An instrument, how orders on it are carried out, its last price (0 for none) and when that was."""

    instrument: Instrument
    execution: Execution
    mark_e9: int = 0
    newest_ns: int = 0


class DeskState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A desk. `orders` are those that wait; `market_e12` and `fees_e12` what of each currency went to the other side
    of trades and to fees; `sampled_ns` the last instant of which it was written down what accounts were worth."""

    markets: list[MarketStart]
    lanes: list[LaneStart]
    accounts: list[AccountLine]
    limits: dict[str, Limits]
    orders: list[OrderLine] = []
    market_e12: dict[str, int] = {}
    fees_e12: dict[str, int] = {}
    next_number: int = 1
    sampled_ns: int = 0


class SessionHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a session's first file holds. `resumed` is the session whose end this one began with, "" for none."""

    session: str
    desk: str
    created_ns: int
    state: DeskState
    resumed: str = ""
    version: int = VERSION


_DECODER: Final[msgspec.json.Decoder[SessionHead]] = msgspec.json.Decoder(SessionHead)


def encode_head(head: SessionHead) -> bytes:
    """The head as JSON."""
    return msgspec.json.encode(head)


def decode_head(raw: bytes) -> SessionHead:
    """The head in `raw`. Raises `ValueError` (`msgspec.ValidationError` is one) when it is none, and `ConsoleError`
    when its values make no sense."""
    head = _DECODER.decode(raw)
    if head.version != VERSION:
        raise ValueError(f"version {head.version} is not known")
    return head
