"""What strategies did in paper trading, as it stands in `live_strategy_log`: the row, and where rows are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, Protocol

import attrs

from core.errors import PermanentError

Event = Literal["signal", "order", "fill", "cancel", "reject", "stop"]


@attrs.frozen(kw_only=True)
class StrategyRow:
    """One thing that a strategy, or somebody in its stead, did.

    `line` is the number, from 1, of the line of the session's ledger that says so, and of each there is one row at
    most; 0 in rows that are older than this number. `strategy` is a lane's label, empty where it was none. `ts_event`
    is in ns since the epoch by the venue's clock, `logged_ns`, set by the log, by that of a machine. Amounts are
    exact decimals as text, None where there is nothing to say:

    - `price` is the last one for a signal, the limit or the stop for an order, and what was paid for a fill;
    - `quantity` of a cancel is what was taken back;
    - `cash`, in the currency of the account, and `position` are those after the step that a fill was in;
    - `equity` is the newest that was written down by then, once a minute: of the minute `equity_ns` in `details`.

    `details` are plain JSON.
    """

    session_id: str
    line: int
    strategy: str
    strategy_sha256: str
    account: str
    venue: str
    symbol: str
    event: Event
    ts_event: int
    side: str = ""
    price: str | None = None
    quantity: str | None = None
    fee: str | None = None
    cash: str | None = None
    position: str | None = None
    equity: str | None = None
    realised_pnl: str | None = None
    details: Mapping[str, Any] = attrs.Factory(dict)
    logged_ns: int = 0


FIELDS: Final = tuple(field.name for field in attrs.fields(StrategyRow) if field.name != "logged_ns")
"""The columns that a row brings with it, by their names, which are those of its fields."""


class StrategyLog(Protocol):
    """Where these rows are kept. Its methods block, may be called from any thread and raise `ConsoleError`."""

    def append(self, rows: Sequence[StrategyRow]) -> int:
        """Write down those of the rows whose line is not there yet, all of them or none; how many that were.

        Of a session they come in the order of its lines, with none left out: then all up to `newest_line` are there.
        """

    def newest_line(self, session_id: str) -> int:
        """The highest line of a session of which there is a row; 0 when there is none."""

    def rows(self, session_id: str | None, limit: int) -> list[StrategyRow]:
        """The newest rows, of one session or of all, the newest first; at most `limit`."""

    def close(self) -> None:
        """Let go. May be called twice."""


def values_of(row: StrategyRow) -> tuple[Any, ...]:
    """What to write of a row, in the order of `FIELDS`."""
    values = [getattr(row, name) for name in FIELDS]
    values[_DETAILS] = json.dumps(dict(row.details), sort_keys=True)
    return tuple(values)


def row_of(values: Sequence[Any]) -> StrategyRow:
    """The row of what was read: what `FIELDS` names, then `logged_ns`.

    Raises:
        PermanentError: another program wrote it, and it makes no sense.
    """
    try:
        details = json.loads(values[_DETAILS])
    except (ValueError, TypeError) as error:
        raise PermanentError("reading the strategy log", "the details of a row are no JSON") from error
    facts = dict(zip((*FIELDS, "logged_ns"), values, strict=True))
    return StrategyRow(**{**facts, "details": details if isinstance(details, dict) else {"value": details}})


_DETAILS: Final = FIELDS.index("details")
