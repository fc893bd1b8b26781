"""What Kraken Futures' REST interface tells of trades that are over: its public executions, page by page. Pure.

Executions have no number, unlike the trades of the sockets: only their uid tells one from another.
"""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from core.clock import NS_PER_MS
from core.errors import TransientError
from core.flow.printable import printable
from core.model.fixedpoint import FixedPointError, parse_price, parse_quantity
from core.model.records import BUY, NO_SIDE, SELL
from providers.kraken.futures.errors import read_refusal
from providers.kraken.futures.wire import Milliseconds, Uid

_SIDES = {"buy": BUY, "sell": SELL}


@attrs.frozen(kw_only=True)
class Execution:
    """One trade: `side` the taker's, price at 1e-9, quantity at 1e-8 of what the product's quantities count."""

    uid: str
    ts_event_ns: int
    price_e9: int
    quantity_e8: int
    side: bytes


@attrs.frozen(kw_only=True)
class HistoryPage:
    """Executions in the order of the answer. `next_token` asks for the page behind this one, empty on the last;
    `rejected` counts what could not be read."""

    executions: tuple[Execution, ...]
    next_token: str
    rejected: int


class _Order(msgspec.Struct):
    direction: str = ""


class _Fill(msgspec.Struct, rename="camel"):
    price: str
    quantity: str
    timestamp: Milliseconds
    uid: Uid = ""
    taker_order: _Order = msgspec.field(default_factory=_Order)


class _Inner(msgspec.Struct):
    execution: _Fill


class _Event(msgspec.Struct):
    outer: _Inner = msgspec.field(name="Execution")


class _Element(msgspec.Struct):
    event: _Event


class _Answer(msgspec.Struct, rename="camel"):
    elements: list[msgspec.Raw]
    continuation_token: Annotated[str, msgspec.Meta(max_length=4096)] | None = None


def parse_executions(body: bytes, *, venue: str) -> HistoryPage:
    """The executions of one answer.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    operation = f"history of {venue}"
    if (refusal := read_refusal(operation, body)) is not None:
        raise refusal
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TransientError(operation, "not understood", hint=printable(str(error))) from None
    found = [_read(raw) for raw in answer.elements]
    executions = tuple(each for each in found if each is not None)
    token = answer.continuation_token or ""
    return HistoryPage(executions=executions, next_token=token, rejected=len(found) - len(executions))


def _read(raw: msgspec.Raw) -> Execution | None:
    try:
        fill = msgspec.json.decode(raw, type=_Element).event.outer.execution
        price_e9, quantity_e8 = parse_price(fill.price), parse_quantity(fill.quantity)
    except (msgspec.DecodeError, UnicodeError, RecursionError, FixedPointError):
        return None
    if price_e9 <= 0 or not quantity_e8:
        return None
    return Execution(
        uid=fill.uid,
        ts_event_ns=fill.timestamp * NS_PER_MS,
        price_e9=price_e9,
        quantity_e8=quantity_e8,
        side=_SIDES.get(fill.taker_order.direction.lower(), NO_SIDE),
    )
