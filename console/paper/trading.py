"""One session of a desk as it goes on: each step is done, written down, counted and told, in this order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import numpy as np

from console.paper.document import SILENT_NS, Seen
from console.paper.session import Session
from console.paper.tally import Tally
from core.bars.ticks import Column, Ticks
from core.clock import monotonic_ns, wall_ns
from core.model.records import UNDEF_PRICE, Records
from core.sim.accounts import MONEY_DECIMALS
from core.sim.intake import Intake
from core.sim.lines import ActLine, HoleLine, LaneLine, Line, RingLine
from core.sim.market import Market
from core.sim.paper import Desk
from core.sim.positions import Account
from core.sim.tape import ACT, CLOCK, CONTEXT, MISSED, Rows, row_of, rows_of
from core.telemetry.histograms import LatencyHistogram

Hear = Callable[[int, list[Line]], None]
"""Told of lines that were written down, the first of which is that number of the ledger, from 1."""


def deaf(_number: int, _lines: list[Line]) -> None:
    """Hear nothing."""


def no_lag() -> int:
    """Nothing waits."""
    return 0


def nobody() -> bool:
    """Nobody writes."""
    return False


@attrs.define(eq=False)
class Feed:
    """What is read of one symbol: `cursor` is how far, `ticks` how many trades the desk saw of it. `begun` says that
    the desk saw anything in this session; since `since_ns` of the monotonic clock nothing came. `alive` tells whether
    somebody writes its ring, `lag` how much waits to be read."""

    market: Market
    intake: Intake
    cursor: int = 0
    ticks: int = 0
    begun: bool = False
    alive: Callable[[], bool] = nobody
    since_ns: int = 0
    lag: Callable[[], int] = no_lag

    def seen(self, mono_ns: int) -> Seen:
        """What to say of it."""
        silent = mono_ns - self.since_ns > SILENT_NS
        return Seen(
            ticks=self.ticks,
            late=self.intake.left_out,
            feed="waiting" if not (self.begun and self.alive()) else "silent" if silent else "streaming",
        )


class Trading:
    """A `desk` whose steps go to a `session`. `hear` is told of every line, `numbered` of those committed; `delay`
    counts the time from the receipt of each trade until its step was done, of those that came while somebody looked.
    """

    def __init__(
        self,
        desk: Desk,
        session: Session,
        *,
        hear: Hear = deaf,
        numbered: Hear = deaf,
        delay: LatencyHistogram | None = None,
    ) -> None:
        self.desk = desk
        self.session = session
        self.tally = Tally(session.head)
        self.latency = LatencyHistogram()
        self.delay = LatencyHistogram() if delay is None else delay
        self.feeds = {key: Feed(market, Intake(market.newest_ns)) for key, market in desk.markets.items()}
        self._hear, self._numbered = hear, numbered
        self._noted: list[Line] = []

    def context(self, feed: Feed, records: Records, cursor: int) -> None:
        """Show the strategies trades of before; from `cursor` on is read afterwards."""
        intake = Intake()
        ticks = intake.accept(*_columns(records), monotonic_ns())
        feed.begun, feed.cursor = True, cursor
        if len(ticks):
            feed.intake.newest_ns = max(feed.intake.newest_ns, intake.newest_ns)
            self._commit_ticks(feed, ticks, self.desk.context(feed.market.instrument.key, ticks), CONTEXT)

    def trades(self, feed: Feed, records: Records, cursor: int, *, kind: int, mono_ns: int) -> None:
        """Go on with trades that were read at `mono_ns` of the monotonic clock, up to `cursor` of their ring."""
        columns, received_ns = _columns(records)
        ticks = feed.intake.accept(columns, received_ns, mono_ns)
        feed.begun, feed.cursor = True, cursor
        if len(ticks):
            feed.since_ns = mono_ns
            feed.ticks += len(ticks)
            lines = self.desk.trades(feed.market.instrument.key, ticks, kind=kind)
            self._commit_ticks(feed, ticks, lines, kind, read_ns=0 if kind == MISSED else mono_ns)
            if kind != MISSED:
                self.delay.record_array(wall_ns() - received_ns)

    def _commit_ticks(self, feed: Feed, ticks: Ticks, lines: list[Line], kind: int, *, read_ns: int = 0) -> None:
        market, cursor = feed.market.number, feed.cursor
        self._commit(
            lines, lambda count: rows_of(ticks, kind=kind, market=market, cursor=cursor, lines=count), read_ns
        )

    def clock(self, feed: Feed, mono_ns: int) -> None:
        """Let time pass for a symbol. While trades of it wait to be read, none does."""
        passed_ns = feed.intake.passed_ns(mono_ns)
        if passed_ns <= 0 or feed.lag() > 0:
            return
        lines = self.desk.clock(feed.market.instrument.key, passed_ns)
        if lines is None:
            return
        feed.intake.mark(passed_ns)
        market, cursor = feed.market.number, feed.cursor
        self._commit(
            lines, lambda count: row_of(kind=CLOCK, market=market, ts_ns=passed_ns, cursor=cursor, lines=count)
        )

    def act(self, line: ActLine) -> list[Line]:
        """Do what an operator wants, and return what came of it."""
        lines = self.desk.act(line)
        self._commit(lines, lambda count: row_of(kind=ACT, lines=count))
        return lines

    def note(self, line: HoleLine | RingLine) -> None:
        """Write down something that belongs to no step."""
        self.session.note(line)
        self._noted.append(line)
        self.tally.add(self.session.lines, [line])
        self._hear(self.session.lines, [line])

    def hole(self, feed: Feed, rows: int, cause: str) -> None:
        """Write down that trades of a symbol were not seen."""
        venue, symbol = feed.market.instrument.key
        self.note(HoleLine(venue=venue, symbol=symbol, ts_ns=feed.market.newest_ns, rows=rows, cause=cause))

    def _commit(self, lines: list[Line], rows: Callable[[int], Rows], read_ns: int = 0) -> None:
        first = self.session.commit(lines, rows)
        if read_ns:
            self.latency.record(monotonic_ns() - read_ns)
        if self._noted:
            self._numbered(first - len(self._noted), self._noted)
            self._noted = []
        if not lines:
            return
        self.tally.add(first, lines)
        self._hear(first, lines)
        self._numbered(first, lines)
        for line in lines:
            if isinstance(line, LaneLine) and line.event >= 0:
                self._let_go(line)

    def _let_go(self, line: LaneLine) -> None:
        # A strategy that failed may hold all the memory there is; it is not asked again.
        for lane in self.desk.markets[line.venue, line.symbol].lanes:
            if lane.spec.label == line.lane:
                lane.strategy = None

    def figures(self, mono_ns: int) -> dict[str, Any]:
        """A few numbers: of the strategies and accounts, of what they did, and how long a step takes."""
        seen = {key: feed.seen(mono_ns) for key, feed in self.feeds.items()}
        latency, risk = self.latency.summary(), self.desk.risk
        lanes = [lane for _, lane in self.desk.lanes()]
        holes = [self.tally.holes(key) for key in self.feeds]
        return {
            "strategies": len(lanes),
            "stopped": sum(lane.state == "stopped" for lane in lanes),
            "paused": sum(lane.state == "paused" for lane in lanes),
            "accounts": len(self.desk.ledger.accounts),
            "halted": sorted(risk.halted),
            "worth": [self._worth(account) for account in self.desk.ledger.accounts.values()],
            "trades": sum(one.ticks for one in seen.values()),
            "orders": self.tally.orders(),
            "fills": self.tally.filled(),
            "late": sum(feed.intake.left_out for feed in self.feeds.values()),
            "holes": sum(one.holes for one in holes),
            "lost": sum(one.lost for one in holes),
            "symbols": [
                {"venue": venue, "symbol": symbol, "ticks": one.ticks, "late": one.late, "feed": one.feed}
                for (venue, symbol), one in seen.items()
            ],
            "step_p50_us": latency.p50_ns / 1000,
            "step_p99_us": latency.p99_ns / 1000,
            "step_max_us": latency.max_ns / 1000,
        }

    def _worth(self, account: Account) -> dict[str, Any]:
        equity_e12 = self.desk.ledger.equity_e12(account.id, self.desk.marks)
        highest_e12 = max(self.tally.highest_e12(account.id, equity_e12), equity_e12)
        return {
            "id": account.id,
            "currency": account.currency,
            "equity": equity_e12 / 10**MONEY_DECIMALS,
            "drawdown": 1 - equity_e12 / highest_e12 if highest_e12 > 0 else 0.0,
            "halted": account.id in self.desk.risk.halted,
        }

    def close(self) -> None:
        """End the session. Raises `ConsoleError` when the disk does not take the rest."""
        self.session.close()


def _columns(records: Records) -> tuple[Ticks, Column]:
    # The trades that have a price, and when each was received.
    ticks = Ticks.of_records(records)
    if len(ticks) != len(records):
        records = records[records["price"] != UNDEF_PRICE]
    return ticks, records["ts_recv"].astype(np.int64)
