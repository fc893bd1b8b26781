"""What Kraken Futures' REST interface tells of every product at once. Pure."""

from __future__ import annotations

import msgspec

from core.errors import TransientError
from core.flow.printable import printable
from core.model.fixedpoint import FixedPointError
from providers.kraken.futures.errors import read_refusal
from providers.kraken.futures.normalise import ProductState, read_decimal

_NOTHING = msgspec.Raw()


class _Row(msgspec.Struct, rename="camel"):
    symbol: str
    mark_price: msgspec.Raw = _NOTHING
    index_price: msgspec.Raw = _NOTHING
    open_interest: msgspec.Raw = _NOTHING
    suspended: bool | None = None
    post_only: bool | None = None


class _Answer(msgspec.Struct):
    tickers: list[msgspec.Raw]


def parse_tickers(body: bytes, *, venue: str) -> dict[str, ProductState]:
    """The state of each product by its id. A row that cannot be read is left out; funding is not told here.

    Raises:
        ConsoleError: the venue answered with an error, or with something else.
    """
    operation = f"tickers of {venue}"
    if (refusal := read_refusal(operation, body)) is not None:
        raise refusal
    try:
        rows = msgspec.json.decode(body, type=_Answer).tickers
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise TransientError(operation, "not understood", hint=printable(str(error))) from None
    found = (_read(raw) for raw in rows)
    return {state.product_id: state for state in found if state is not None}


def _read(raw: msgspec.Raw) -> ProductState | None:
    try:
        row = msgspec.json.decode(raw, type=_Row)
        return ProductState(
            product_id=row.symbol.upper(),
            mark_price=read_decimal(row.mark_price),
            index_price=read_decimal(row.index_price),
            open_interest=read_decimal(row.open_interest),
            suspended=row.suspended,
            post_only=row.post_only,
        )
    except (msgspec.DecodeError, UnicodeError, RecursionError, FixedPointError):
        return None
