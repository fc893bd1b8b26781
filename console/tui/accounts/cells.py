"""The tables of the Accounts screen: their columns, and what stands in each. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from console.tui.accounts.document import RUNNING, STREAMING, Amount, Fill, Lane, Position, Stream, WorkingOrder
from console.tui.accounts.money import gain_cell, money_text, plain_text
from console.tui.tables import Column
from console.tui.text import Cell, Glyphs, clock_text, moment_text, short_age, short_count
from core.clock import DAY_NS, NS_PER_S

_AMOUNT: Final = 11
_WIDE_AMOUNT: Final = 14
POSITIONS: Final = (
    Column("symbol", "symbol", 12), Column("venue", "venue", 8, least=110),
    Column("quantity", "holds", _AMOUNT, right=True, grows=True, most=_WIDE_AMOUNT),
    Column("average", "paid", _AMOUNT, right=True, least=62),
    Column("mark", "now", _AMOUNT, right=True), Column("worth", "worth", _AMOUNT, right=True, least=100),
    Column("margin", "margin", _AMOUNT, right=True, least=124),
    Column("realised", "realised", _AMOUNT, right=True, least=74),
    Column("unrealised", "unrealised", _AMOUNT, right=True, grows=True, most=16),
)  # fmt: skip
ORDERS: Final = (
    Column("symbol", "symbol", 12), Column("strategy", "strategy", 10, least=70),
    Column("side", "side", 4), Column("type", "type", 6), Column("quantity", "of", _AMOUNT, right=True),
    Column("filled", "filled", 10, right=True, least=100), Column("limit", "limit", _AMOUNT, right=True),
    Column("stop", "stop", _AMOUNT, right=True, least=78), Column("age", "age", 4, right=True),
    Column("number", "number", 8, right=True, least=110),
)  # fmt: skip
LANES: Final = (
    Column("label", "strategy", 9, grows=True, most=20), Column("symbol", "symbol", 12),
    Column("venue", "venue", 8, least=110), Column("state", "state", 9),
    Column("held", "holds", _AMOUNT, right=True, least=76, grows=True, most=_WIDE_AMOUNT),
    Column("signals", "sig", 5, right=True),
    Column("orders", "ord", 5, right=True), Column("fills", "fill", 5, right=True),
    Column("rejected", "rej", 4, right=True, least=66), Column("age", "signal", 6, right=True),
    Column("trade", "trade", 5, right=True, least=86), Column("bars", "bars", 6, least=100),
    Column("mode", "mode", 10, least=110),
)  # fmt: skip
FILLS: Final = (
    Column("when", "time", 8), Column("symbol", "symbol", 12),
    Column("strategy", "strategy", 8, grows=True, most=16),
    Column("side", "side", 6), Column("quantity", "quantity", 9, right=True, grows=True, most=_WIDE_AMOUNT),
    Column("price", "price", 10, right=True, grows=True, most=_WIDE_AMOUNT),
    Column("fee", "fee", 7, right=True, least=78), Column("role", "as", 5, least=92),
    Column("realised", "realised", 9, right=True, least=70), Column("order", "order", 7, right=True, least=110),
    Column("reason", "reason", 16, least=130),
)  # fmt: skip
STREAMS: Final = (
    Column("symbol", "symbol", 12), Column("venue", "venue", 10, least=78), Column("feed", "feed", 11),
    Column("last", "last", 10, right=True, grows=True, most=16), Column("age", "age", 4, right=True),
    Column("ticks", "trades", 6, right=True, least=67), Column("late", "late", 4, right=True),
    Column("holes", "holes", 5, right=True), Column("lost", "lost", 6, right=True),
)  # fmt: skip
_STATES: Final = {RUNNING: ("light", "up"), "paused": ("warning", "warn"), "stopped": ("warning", "alert")}
_FEEDS: Final = {STREAMING: ("light", "up"), "waiting": ("quiet", "dim"), "silent": ("warning", "warn")}


@attrs.frozen(kw_only=True)
class Cells:
    """Makes cells by the names of their columns; money has `decimals` places, ages are those at `now_ns`.
    `widths` are those of the columns that grow."""

    now_ns: int
    decimals: int
    glyphs: Glyphs
    widths: Mapping[str, int] = attrs.Factory(dict)

    def within(self, columns: Sequence[Column]) -> Cells:
        """The same for a table of these columns."""
        return attrs.evolve(self, widths={column.name: column.width for column in columns})

    def _plain(self, value: Amount, width: int = _AMOUNT, style: str = "text") -> Cell:
        return plain_text(value, width=width, glyphs=self.glyphs), style

    def _money(self, value: Amount, width: int = _AMOUNT, style: str = "text") -> Cell:
        return money_text(value, width=width, decimals=self.decimals, glyphs=self.glyphs), style

    def _gain(self, value: Amount, width: int = _AMOUNT) -> Cell:
        return gain_cell(value, width=width, decimals=self.decimals, glyphs=self.glyphs)

    def _age(self, instant_ns: int) -> Cell:
        text = short_age((self.now_ns - instant_ns) / NS_PER_S) if instant_ns else self.glyphs.dash
        return text, "dim"

    def _count(self, value: int, style: str = "text") -> Cell:
        return short_count(value), style if value else "dim"

    def _side(self, side: str) -> Cell:
        return side, "bid" if side == "buy" else "ask"

    def position(self, one: Position) -> dict[str, Cell]:
        """A position."""
        short = one.quantity is not None and one.quantity < 0
        return {
            "symbol": (one.symbol, "symbol"),
            "venue": (one.venue, "dim"),
            "quantity": self._plain(one.quantity, self.widths.get("quantity", _AMOUNT), "ask" if short else "bid"),
            "average": self._plain(one.average),
            "mark": self._plain(one.mark),
            "worth": self._money(one.worth),
            "margin": self._money(one.margin, style="dim"),
            "realised": self._gain(one.realised),
            "unrealised": self._gain(one.unrealised),
        }

    def order(self, one: WorkingOrder) -> dict[str, Cell]:
        """An order that waits; one that no strategy gave was forced."""
        return {
            "symbol": (one.symbol, "symbol"),
            "strategy": (one.label, "text") if one.label else ("forced", "alert"),
            "side": self._side(one.side),
            "type": (one.type, "text"),
            "quantity": self._plain(one.quantity),
            "filled": self._plain(one.filled, 10, "dim"),
            "limit": self._plain(one.limit),
            "stop": self._plain(one.stop),
            "age": self._age(one.given_ns),
            "number": (f"#{one.number}", "dim"),
        }

    def lane(self, one: Lane) -> dict[str, Cell]:
        """A strategy on a symbol."""
        sign, style = _STATES.get(one.state, ("quiet", "dim"))
        return {
            "label": (one.label, "symbol"),
            "symbol": (one.symbol, "text"),
            "venue": (one.venue, "dim"),
            "state": (f"{getattr(self.glyphs, sign)} {one.state or 'unknown'}", style),
            "held": self._plain(one.held, self.widths.get("held", _AMOUNT)),
            "signals": self._count(one.signals),
            "orders": self._count(one.orders),
            "fills": self._count(one.fills),
            "rejected": self._count(one.rejected, "warn"),
            "age": self._age(one.last_signal_ns),
            "trade": self._age(one.last_trade_ns),
            "bars": (one.bars, "dim"),
            "mode": (one.mode, "dim"),
        }

    def fill(self, one: Fill) -> dict[str, Cell]:
        """A fill."""
        today = self.now_ns - one.ts_ns < DAY_NS
        when = clock_text(one.ts_ns, decimals=0) if today else moment_text(one.ts_ns)[2:10]
        arrow = self.glyphs.up if one.side == "buy" else self.glyphs.down
        return {
            "when": (when, "dim"),
            "symbol": (one.symbol, "symbol"),
            "strategy": (one.label, "text") if one.label else ("forced", "alert"),
            "side": (f"{arrow} {one.side}", self._side(one.side)[1]),
            "quantity": self._plain(one.quantity, self.widths.get("quantity", 9)),
            "price": self._plain(one.price, self.widths.get("price", 10)),
            "fee": self._plain(one.fee, 7, "dim"),
            "role": ("maker" if one.maker else "taker", "dim"),
            "realised": self._gain(one.realised, 9) if one.realised else (self.glyphs.dash, "dim"),
            "order": (f"#{one.order}", "dim"),
            "reason": (one.reason, "dim"),
        }

    def stream(self, one: Stream) -> dict[str, Cell]:
        """A symbol's feed."""
        sign, style = _FEEDS.get(one.feed, ("quiet", "dim"))
        return {
            "symbol": (one.symbol, "symbol"),
            "venue": (one.venue, "dim"),
            "feed": (f"{getattr(self.glyphs, sign)} {one.feed or 'unknown'}", style),
            "last": self._plain(one.last, 10),
            "age": self._age(one.last_ns),
            "ticks": self._count(one.ticks),
            "late": (self.glyphs.dash, "dim") if one.late is None else self._count(one.late, "warn"),
            "holes": self._count(one.holes, "warn"),
            "lost": self._count(one.lost, "alert"),
        }
