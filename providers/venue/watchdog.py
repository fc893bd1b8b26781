"""Tells an illiquid market from a broken feed: once a second, of every symbol of a venue, and why.

Pure. It goes by three witnesses: the connection, on which messages move as long as it lives; the other symbols, which
slow down together at night and not when one of them is lost; and the symbol's own habit. A silent book alone proves
nothing: a thin pair on a healthy socket is quiet for minutes.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from core.clock import NS_PER_S
from core.flow.printable import printable
from providers.base import BookState, FeedCounters
from providers.connection import ConnectionState, ConnectionStatus
from providers.venue.habit import Habit

QUIET_AFTER_S: Final = 10.0
STALE_AFTER_S: Final = 15.0
MARKET_STALE_AFTER_S: Final = 60.0
NO_SIGN_OF_LIFE_S: Final = 45.0
"""Longer than any venue may be silent before it is asked, and left: 30 s, or 40 at Databento."""
CONNECTING_S: Final = 15.0
BOOK_LATE_S: Final = 60.0
BOOK_STUCK_TRADES: Final = 50
BOOK_STUCK_S: Final = 15.0
HOLD_S: Final = 3.0
"""What was broken is called better when it has been for this long; what was stale, when it moved `HOLD_MOVES` times
as well."""
HOLD_MOVES: Final = 3
LATE_LOOK_S: Final = 10.0
"""A look that comes so late says that we slept, not that the venue was silent."""

# So many are missed before a silence is one: by chance alone that happens once in e to the 20th.
_MISSED: Final = 20.0
_BEYOND_LONGEST: Final = 4.0
_MARKET_MISSED: Final = 50.0
_MARKET_BEYOND_LONGEST: Final = 10.0
_BURST: Final = 100  # no more of one symbol's second count for the others
_REASON: Final = 160


class Health(enum.StrEnum):
    """How a symbol's data is, from best to worst.

    `LIVE` comes as usual. `QUIET` does not, and nothing says that it should. `STALE` should, by what it usually does
    and what its neighbours do: what is shown may be old. `BROKEN` cannot come, or may not be shown: the connection is
    lost, the book is withheld, the venue refuses.
    """

    LIVE = "live"
    QUIET = "quiet"
    STALE = "stale"
    BROKEN = "broken"


@attrs.frozen
class Verdict:
    """The health of a symbol and the reason in words, printable and empty for a live one."""

    health: Health
    reason: str = ""


_LIVE: Final = Verdict(Health.LIVE)
_SEVERITY: Final[Mapping[Health, int]] = {health: number for number, health in enumerate(Health)}


@attrs.define(eq=False)
class _Symbol:
    # What is remembered of one symbol. `verdict` is what was said last.
    trades: Habit
    records: Habit
    verdict: Verdict | None = None
    better_ns: int = 0
    better_moves: int = 0
    moved: bool = False
    traded: bool = False
    trades_missed: bool = False
    asked_ns: int = 0  # since when its book has been on its way
    book_updates: int = -1
    book_ns: int = 0
    book_trades: int = 0

    def forgive(self, now_ns: int) -> None:
        self.trades.forgive(now_ns)
        self.records.forgive(now_ns)
        self.asked_ns, self.book_updates = 0, -1

    def see_book(self, counters: FeedCounters, now_ns: int) -> None:
        if counters.book_state is not BookState.SYNCING:
            self.asked_ns = 0
        elif not self.asked_ns:
            self.asked_ns = now_ns
        if counters.book_updates != self.book_updates or counters.book_state is not BookState.LIVE:
            self.book_updates, self.book_ns, self.book_trades = counters.book_updates, now_ns, counters.trades


class Watchdog:
    """Watches one venue. To be looked through once a second, with the wall clock's time."""

    def __init__(self) -> None:
        self._symbols: dict[str, _Symbol] = {}
        # What came of all symbols together: the market's own clock.
        self._trading, self._moving = 0, 0
        self._whole = Habit(0, 0)
        self._connected = False
        self._reconnects = 0
        self._messages, self._sign_ns, self._looked_ns = -1, 0, 0

    def look(
        self, connection: ConnectionState, counters: Sequence[FeedCounters], *, now_ns: int
    ) -> dict[str, Verdict]:
        """What to say now of each symbol of `counters`, which are those that are streamed, by `Instrument.symbol`."""
        self._observe(connection, counters, now_ns)
        outage = _outage(connection, now_ns) or self._no_sign_of_life(now_ns)
        live = sum(_silence(each, now_ns) <= _quiet_after(each) for each in self._symbols.values())
        verdicts = {}
        for each in counters:
            symbol = self._symbols[each.instrument.symbol]
            verdict = outage or self._judge(symbol, each, now_ns, live=live)
            verdicts[each.instrument.symbol] = symbol.verdict = _held(symbol, verdict, now_ns)
        return verdicts

    def _observe(self, connection: ConnectionState, counters: Sequence[FeedCounters], now_ns: int) -> None:
        connected = connection.status is ConnectionStatus.CONNECTED
        late = now_ns - self._looked_ns > LATE_LOOK_S * NS_PER_S or now_ns < self._looked_ns
        fresh = connected and (not self._connected or self._reconnects != connection.reconnects)
        self._connected, self._reconnects, self._looked_ns = connected, connection.reconnects, now_ns
        if connection.messages != self._messages or late or not connected:
            self._messages, self._sign_ns = connection.messages, now_ns
        known, self._symbols = self._symbols, {}
        for each in counters:
            name = each.instrument.symbol
            symbol = known.get(name)
            if symbol is None:
                symbol = _Symbol(Habit(each.trades, now_ns), Habit(_records(each), now_ns))
            self._symbols[name] = symbol
            if late or fresh or not connected:
                symbol.forgive(now_ns)
        if late or fresh or not connected:
            self._whole.forgive(now_ns)
        self._follow(counters, now_ns)

    def _follow(self, counters: Sequence[FeedCounters], now_ns: int) -> None:
        moved = []
        for each in counters:
            symbol = self._symbols[each.instrument.symbol]
            came, traded = symbol.records.note(_records(each), now_ns), symbol.trades.note(each.trades, now_ns)
            symbol.see_book(each, now_ns)
            symbol.moved, symbol.traded = came > 0, traded > 0
            self._moving += min(came, _BURST)
            self._trading += min(traded, _BURST)
            if came:
                moved.append(symbol)
        for symbol in moved:
            symbol.records.place(self._moving)
            if symbol.traded:
                symbol.trades.place(self._trading)
        if self._whole.note(self._moving, now_ns):
            self._whole.place(self._moving)

    def _no_sign_of_life(self, now_ns: int) -> Verdict | None:
        silent_s = (now_ns - self._sign_ns) / NS_PER_S
        if not self._connected or silent_s <= NO_SIGN_OF_LIFE_S:
            return None
        return Verdict(Health.STALE, f"no sign of life from the venue for {_span(silent_s)}")

    def _judge(self, symbol: _Symbol, counters: FeedCounters, now_ns: int, *, live: int) -> Verdict:
        trades, records = symbol.trades, symbol.records
        silent_s = records.silent_s(now_ns)
        problem = printable(counters.problem, _REASON)
        if counters.book_state is BookState.WITHHELD:
            return Verdict(Health.BROKEN, f"book withheld: {problem or 'a new one is on its way'}")
        refused = problem and (counters.book_state is BookState.NONE or not records.ever)
        if refused and silent_s > STALE_AFTER_S:
            return Verdict(Health.BROKEN, f"nothing for {_span(silent_s)}: {problem}")
        others = _others(live - (_silence(symbol, now_ns) <= _quiet_after(symbol)))
        for habit, neighbours, name in ((records, self._moving, "nothing"), (trades, self._trading, "no trade")):
            if _is_missed(habit, neighbours, now_ns):
                symbol.trades_missed = habit is trades
                return Verdict(Health.STALE, f"{name} for {_span(habit.silent_s(now_ns))}{_usual(habit)}; {others}")
        if stale := self._stale_market(now_ns) or _stale_book(symbol, counters, now_ns):
            return stale
        if not records.ever:
            return Verdict(Health.QUIET, f"nothing yet for {_span(silent_s)}; {others}")
        if silent_s <= _quiet_after(symbol):
            return _LIVE
        return Verdict(Health.QUIET, f"nothing for {_span(silent_s)}{_usual(records)}; {others}")

    def _stale_market(self, now_ns: int) -> Verdict | None:
        whole = self._whole
        if not whole.known:
            return None
        silent_s = whole.silent_s(now_ns)
        usual_s = max(_MARKET_BEYOND_LONGEST * whole.longest_s, _MARKET_MISSED / whole.rate)
        if silent_s <= max(MARKET_STALE_AFTER_S, usual_s):
            return None
        said = f"nothing of any symbol for {_span(silent_s)}, though the connection lives"
        return Verdict(Health.STALE, said + _usual(whole))


def _records(counters: FeedCounters) -> int:
    return counters.trades + counters.quotes + counters.book_updates


def _outage(connection: ConnectionState, now_ns: int) -> Verdict | None:
    since_s = max(now_ns - connection.since_ns, 0) / NS_PER_S if connection.since_ns else 0.0
    reason = printable(connection.reason, _REASON)
    because = f": {reason}" if reason else ""
    match connection.status:
        case ConnectionStatus.CONNECTED:
            return None
        case ConnectionStatus.RECONNECTING:
            return Verdict(Health.BROKEN, f"connection lost {_span(since_s)} ago{because}")
        case ConnectionStatus.ERROR:
            return Verdict(Health.BROKEN, f"given up {_span(since_s)} ago{because}")
        case ConnectionStatus.CONNECTING:
            health = Health.BROKEN if since_s > CONNECTING_S else Health.QUIET
            return Verdict(health, f"connecting for {_span(since_s)}{because}")
        case _:
            return Verdict(Health.QUIET, f"not connected{because}")


def _is_missed(habit: Habit, neighbours: int, now_ns: int) -> bool:
    # Its own habit alone would be fooled by a quiet night, and its neighbours' alone by a burst of theirs.
    if not habit.known:
        return False
    usual_s = max(_BEYOND_LONGEST * habit.longest_s, _MISSED / habit.rate)
    return habit.silent_s(now_ns) > max(STALE_AFTER_S, usual_s) and habit.missed(neighbours) >= _MISSED


def _stale_book(symbol: _Symbol, counters: FeedCounters, now_ns: int) -> Verdict | None:
    asked_s = (now_ns - symbol.asked_ns) / NS_PER_S if symbol.asked_ns else 0.0
    if asked_s > BOOK_LATE_S:
        return Verdict(Health.STALE, f"its book was asked for {_span(asked_s)} ago and has not come")
    stuck_s, traded = (now_ns - symbol.book_ns) / NS_PER_S, counters.trades - symbol.book_trades
    if counters.book_state is BookState.LIVE and traded >= BOOK_STUCK_TRADES and stuck_s > BOOK_STUCK_S:
        return Verdict(Health.STALE, f"its book has not changed for {_span(stuck_s)}, in {traded} trades")
    return None


def _silence(symbol: _Symbol, now_ns: int) -> float:
    return symbol.records.silent_s(now_ns) if symbol.records.ever else float("inf")


def _quiet_after(symbol: _Symbol) -> float:
    habit = symbol.records
    return max(QUIET_AFTER_S, 3.0 / habit.rate, 1.5 * habit.longest_s) if habit.known else QUIET_AFTER_S


def _held(symbol: _Symbol, verdict: Verdict, now_ns: int) -> Verdict:
    # Worse is said at once, better only when it stays: nobody trusts a light that flickers. What was only quiet is
    # live at once, for it takes ten seconds to become quiet again.
    shown = symbol.verdict
    if shown is None or shown.health is Health.QUIET or _SEVERITY[verdict.health] >= _SEVERITY[shown.health]:
        symbol.better_ns = symbol.better_moves = 0
        return verdict
    if not symbol.better_ns:
        symbol.better_ns = now_ns
    symbol.better_moves += symbol.traded if symbol.trades_missed else symbol.moved
    better_s = max(now_ns - symbol.better_ns, 0) / NS_PER_S
    moves = HOLD_MOVES if shown.health is Health.STALE else 0
    if better_s >= HOLD_S and symbol.better_moves >= moves:
        symbol.better_ns, symbol.better_moves, symbol.trades_missed = 0, 0, False
        return verdict
    return Verdict(shown.health, f"better for {_span(better_s)}, {verdict.health} if it stays so")


def _others(live: int) -> str:
    if not live:
        return "no other symbol is live"
    return f"{live} other symbols are live" if live > 1 else "1 other symbol is live"


def _usual(habit: Habit) -> str:
    if not habit.known:
        return ""
    usual_s = 1 / habit.rate
    return "; usually every second" if usual_s < 1.5 else f"; usually every {_span(usual_s)}"


def _span(seconds: float) -> str:
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{int(seconds / 60)} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
