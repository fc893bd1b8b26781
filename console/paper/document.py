"""What there is to say of a desk, as one object for JSON: for `accounts --json`, the control channel and the screen.

Amounts, prices and quantities are exact text without idle zeros, "" where nothing is known; times are in ns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import attrs
import msgspec
import numpy as np

from console.paper.audit import AuditEntry
from console.paper.books import Books
from console.paper.tally import Tally
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
from core.sim.accounts import Limits, format_amount
from core.sim.lines import FillLine, OrderLine
from core.sim.positions import Key
from core.sim.state import DeskState, LaneStart, MarketStart, SessionHead
from core.sim.tape import MISSED, TRADE, Rows, kinds_of
from core.store.columns import exact
from core.telemetry.histograms import LatencySummary

SCHEMA_VERSION: Final = 1
MOST_ACTS: Final = 20
SILENT_NS: Final = 60 * 10**9
"""After so long without a trade a symbol is silent."""

Document = dict[str, Any]
Feed = Literal["streaming", "waiting", "silent"]


@attrs.frozen(kw_only=True)
class Seen:
    """What came of a symbol: how many trades, how many of them too late to count (None where nobody counted), and
    whether more come."""

    ticks: int = 0
    late: int | None = None
    feed: Feed = "waiting"


def accounts_document(
    head: SessionHead,
    state: DeskState,
    tally: Tally,
    *,
    running: bool,
    host: Mapping[str, Any] | None,
    symbols: Mapping[Key, Seen],
    acts: Sequence[AuditEntry],
    notes: Sequence[str],
    latency: LatencySummary | None,
    now_ns: int,
) -> Document:
    """A desk in `state`, in the session that began with `head`; `acts` are the newest first."""
    books = Books(state)
    return {
        "schema_version": SCHEMA_VERSION,
        "desk": head.desk,
        "session": head.session,
        "running": running,
        "host": None if host is None else dict(host),
        "created_ns": head.created_ns,
        "now_ns": now_ns,
        "trades_seen": sum(seen.ticks for seen in symbols.values()),
        "accounts": [
            books.account(line, state.limits.get(line.id, Limits()), tally.curve(line.id)) for line in state.accounts
        ],
        "positions": list(books.positions()),
        "strategies": [_strategy(lane, tally, books.markets[lane.spec.key]) for lane in state.lanes],
        "orders": [_order(line) for line in state.orders],
        "fills": [fill_row(line) for line in reversed(tally.fills)],
        "symbols": [_symbol(market, symbols.get(market.instrument.key, Seen()), tally) for market in state.markets],
        "acts": [msgspec.to_builtins(entry) for entry in acts[:MOST_ACTS]],
        "notes": list(notes),
        "latency": _latency(latency),
    }


def seen_on_tape(rows: Rows, markets: Sequence[MarketStart], *, running: bool, now_ns: int) -> dict[Key, Seen]:
    """What came of each of the `markets` of a session by its tape; `running` says that somebody trades now. Trades
    that came too late are not on it."""
    kinds = kinds_of(rows)
    came = rows["market"][(kinds == TRADE) | (kinds == MISSED)]
    counts = np.bincount(came, minlength=len(markets)).tolist()
    return {
        market.instrument.key: Seen(ticks=ticks, feed=_feed(market, running=running, now_ns=now_ns))
        for market, ticks in zip(markets, counts, strict=False)
    }


def _feed(market: MarketStart, *, running: bool, now_ns: int) -> Feed:
    if not running or not market.newest_ns:
        return "waiting"
    return "streaming" if now_ns - market.newest_ns < SILENT_NS else "silent"


def _strategy(lane: LaneStart, tally: Tally, market: MarketStart) -> Document:
    spec, count = lane.spec, tally.lane(lane.spec.label, lane.spec.key)
    return {
        "label": spec.label,
        "strategy": spec.strategy,
        "sha256": spec.sha256,
        "account": spec.account,
        "venue": spec.venue,
        "symbol": spec.symbol,
        "bars": spec.bars,
        "mode": spec.mode.value,
        "state": lane.state,
        "reason": lane.reason,
        "held": exact(lane.held_e8, QUANTITY_DECIMALS),
        "signals": count.signals,
        "orders": count.orders,
        "fills": count.fills,
        "rejected": count.rejected,
        "last_signal_ns": count.last_signal_ns,
        "last_trade_ns": market.newest_ns,
    }


def _order(line: OrderLine) -> Document:
    return {
        "number": line.number,
        "strategy": line.lane,
        "account": line.account,
        "venue": line.venue,
        "symbol": line.symbol,
        "side": line.side.value,
        "type": line.type.value,
        "quantity": exact(line.quantity_e8, QUANTITY_DECIMALS),
        "filled": exact(line.filled_e8, QUANTITY_DECIMALS),
        "limit": exact(line.limit_e9, PRICE_DECIMALS) if line.limit_e9 else "",
        "stop": exact(line.stop_e9, PRICE_DECIMALS) if line.stop_e9 else "",
        "state": line.state.value,
        "given_ns": line.given_ns,
        "reason": line.reason,
    }


def fill_row(line: FillLine) -> Document:
    """A fill, as it stands in the document."""
    return {
        "order": line.order,
        "strategy": line.lane,
        "account": line.account,
        "venue": line.venue,
        "symbol": line.symbol,
        "side": line.side.value,
        "ts_ns": line.ts_ns,
        "price": exact(line.price_e9, PRICE_DECIMALS),
        "quantity": exact(line.quantity_e8, QUANTITY_DECIMALS),
        "fee": format_amount(line.fee_e12),
        "realised": format_amount(line.realised_e12),
        "currency": line.currency,
        "maker": line.maker,
        "reason": line.reason,
    }


def _symbol(market: MarketStart, seen: Seen, tally: Tally) -> Document:
    (venue, symbol), holes = market.instrument.key, tally.holes(market.instrument.key)
    return {
        "venue": venue,
        "symbol": symbol,
        "last_price": exact(market.mark_e9, PRICE_DECIMALS) if market.newest_ns else "",
        "last_ns": market.newest_ns,
        "ticks": seen.ticks,
        "late": seen.late,
        "holes": holes.holes,
        "lost": holes.lost,
        "feed": seen.feed,
    }


def _latency(latency: LatencySummary | None) -> Document | None:
    if latency is None or not latency.count:
        return None
    return {
        "p50_us": latency.p50_ns / 1000,
        "p99_us": latency.p99_ns / 1000,
        "max_us": latency.max_ns / 1000,
        "count": latency.count,
    }
