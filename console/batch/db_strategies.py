"""`db strategies`: what strategies did in paper trading, the newest first, with exact numbers."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.db_options import MOST_ROWS
from console.batch.db_target import EMBEDDED, Target, add_store_option, find_target, is_there
from core.errors import UsageError

if TYPE_CHECKING:
    from core.store.strategy_log import StrategyLog, StrategyRow

DEFAULT_LIMIT: Final = 100
COLUMNS: Final = (
    "time", "ts_event_ns", "session", "line", "strategy", "strategy_sha256", "account", "venue", "symbol", "event",
    "side", "price", "quantity", "fee", "realised_pnl", "cash", "position", "equity", "details", "logged",
    "logged_ns",
)  # fmt: skip
CORE: Final = ("time", "session", "strategy", "symbol", "event", "side", "price", "quantity")
"""What a table has whatever is in it."""

Row = dict[str, Any]


def prepare(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--session", metavar="ID", help="only this session")
    parser.add_argument(
        "--limit", type=int, default=DEFAULT_LIMIT, metavar="N", help=f"the newest N (default: {DEFAULT_LIMIT})"
    )
    output.add_format_options(parser)
    add_store_option(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print the rows; that there are none is no error."""
    limit, session = arguments.limit, arguments.session
    if not 1 <= limit <= MOST_ROWS:
        raise UsageError("bad number", str(limit), hint=f"from 1 to {MOST_ROWS}")
    target = find_target(arguments)
    with _opened(target) as log:
        found = [] if log is None else log.rows(session, limit + 1)
    more = len(found) > limit
    rows = [_printed(row) for row in found[:limit]]
    envelope = {
        "schema_version": 1, "kind": target.kind, "store": target.place, "session": session, "more": more,
    }  # fmt: skip
    if not rows:
        output.talk("no strategy did anything" if session is None else "nothing is logged of that session")
    elif more:
        output.talk(f"the newest {limit} are shown", "  --limit N shows more")
    shown = [_short(row) for row in rows] if arguments.format == "table" else rows
    output.write_rows(shown, form=arguments.format, envelope=envelope, columns=COLUMNS, core=CORE)
    return 0


@contextlib.contextmanager
def _opened(target: Target) -> Iterator[StrategyLog | None]:
    # Beside whoever writes it; of a machine on which nothing was ever written down there is none.
    with contextlib.ExitStack() as stack:
        if target.kind != EMBEDDED:
            from core.store.postgres.strategy_log import PostgresStrategyLog

            yield stack.enter_context(contextlib.closing(PostgresStrategyLog(target.url)))
        elif is_there(target.catalogue):
            from core.store.catalogue_strategy_log import CatalogueStrategyLog

            log = CatalogueStrategyLog(target.catalogue, read_only=True)
            yield stack.enter_context(contextlib.closing(log))
        else:
            yield None


def _printed(row: StrategyRow) -> Row:
    from core.clock import iso_ns

    values = {
        "time": iso_ns(row.ts_event),
        "ts_event_ns": row.ts_event,
        "session": row.session_id,
        "line": row.line or None,
        "details": dict(row.details),
        "logged": iso_ns(row.logged_ns),
    }
    return {name: values[name] if name in values else getattr(row, name) for name in COLUMNS}


def _short(row: Row) -> Row:
    # Times to the millisecond; what a digest begins with tells it from others.
    short = {"time": f"{row['time'][:23]}Z", "strategy_sha256": row["strategy_sha256"][:12], "logged": None}
    return row | short
