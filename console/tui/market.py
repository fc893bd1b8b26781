"""What the screen keeps of one instrument, fed with batches from its rings. Exact integers; no I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import attrs
import numpy as np

from console.tui.snapshot import Book, Key, Print, SymbolView
from console.tui.status import Feed
from core.clock import DAY_NS
from core.model.fixedpoint import OWN_PUBLISHERS, QUANTITY_SCALE, join_quantity
from core.model.records import BUY, F_MAYBE_BAD_BOOK, MBP10_LEVELS, SELL, UNDEF_PRICE, Records

FLASH_S = 0.3
TICK_S = 2.0
RATE_S = 5
TAPE_ROWS = 200
_SIDES = {BUY: 1, SELL: -1}

# Positions in the tuples that `tolist` makes of `TRADE` and `MBP1` records.
_PUBLISHER, _EVENT, _PRICE, _SIZE, _SIDE, _RECEIVED, _HIGH_WORD, _BID, _ASK = 2, 4, 5, 6, 8, 11, 12, 14, 15


@attrs.define
class Market:
    """The running state of one instrument; `view` is its line of the board.

    Instants named `_s` are monotonic seconds, as given to the methods.
    """

    key: Key
    feed: Feed
    last_e9: int | None = None
    first_e9: int | None = None
    bid_e9: int | None = None
    ask_e9: int | None = None
    _first_day: int = -1
    _direction: int = 0
    _changed_s: float = float("-inf")
    _seen_s: float | None = None
    _counts: list[int] = attrs.Factory(lambda: [0] * (RATE_S + 1))
    _second: int = 0

    def add_trades(self, batch: Records, now_s: float) -> list[Print]:
        """Take new trades; returns at most `TAPE_ROWS` of them for a tape, oldest first."""
        self._note_day(batch)
        prints = prints_of(batch)
        if prints:
            self._note_price(prints, now_s)
        self._advance(now_s)
        self._counts[self._second % len(self._counts)] += len(batch)
        self._seen_s = now_s
        return prints

    def add_history(self, batch: Records, *, now_s: float, age_s: float) -> list[Print]:
        """Take trades that were in the ring before we came, the newest of them `age_s` old: no rate, no flash."""
        self._note_day(batch)
        prints = prints_of(batch)
        if prints:
            self.last_e9 = prints[-1].price_e9
            self._seen_s = now_s - max(age_s, 0.0)
        return prints

    def set_quote(self, batch: Records, *, now_s: float, age_s: float = 0.0) -> None:
        """Take the last of some `MBP1` records."""
        row = batch[-1].item()
        self.bid_e9 = None if row[_BID] == UNDEF_PRICE else row[_BID]
        self.ask_e9 = None if row[_ASK] == UNDEF_PRICE else row[_ASK]
        seen_s = now_s - max(age_s, 0.0)
        self._seen_s = seen_s if self._seen_s is None else max(seen_s, self._seen_s)

    def view(self, now_s: float) -> SymbolView:
        """The board's line as of `now_s`."""
        self._advance(now_s)
        changed_ago_s = now_s - self._changed_s
        return SymbolView(
            key=self.key,
            feed=self.feed,
            last_e9=self.last_e9,
            first_e9=self.first_e9,
            bid_e9=self.bid_e9,
            ask_e9=self.ask_e9,
            direction=self._direction if changed_ago_s < TICK_S else 0,
            flash=changed_ago_s < FLASH_S,
            rate=(sum(self._counts) - self._counts[self._second % len(self._counts)]) / RATE_S,
            age_s=None if self._seen_s is None else max(now_s - self._seen_s, 0.0),
        )

    def _note_price(self, prints: list[Print], now_s: float) -> None:
        # The direction is that of the last change inside the batch, also when the batch ends where it began.
        previous = self.last_e9
        for trade in prints:
            if previous is not None and trade.price_e9 != previous:
                self._direction = 1 if trade.price_e9 > previous else -1
                self._changed_s = now_s
            previous = trade.price_e9
        self.last_e9 = previous

    def _note_day(self, batch: Records) -> None:
        if int(batch["ts_event"][-1]) // DAY_NS <= self._first_day:
            return
        credible = credibly_dated(batch)
        day = int(credible["ts_event"][-1]) // DAY_NS if len(credible) else -1
        if day <= self._first_day:
            return
        of_day = credible[(credible["ts_event"] // DAY_NS == day) & (credible["price"] != UNDEF_PRICE)]
        if len(of_day):
            self._first_day = day
            self.first_e9 = int(of_day["price"][0])

    def _advance(self, now_s: float) -> None:
        second = int(now_s)
        slots = len(self._counts)
        for passed in range(max(self._second + 1, second - slots + 1), second + 1):
            self._counts[passed % slots] = 0
        self._second = max(second, self._second)


def credibly_dated(batch: Records) -> Records:
    """Those trades of a batch that the venue dates at most a day after they were received.

    One with an instant years ahead would be the day's first price for ever, and leave all else off the chart.
    """
    ahead = np.where(batch["ts_event"] > batch["ts_recv"], batch["ts_event"] - batch["ts_recv"], 0)
    found: Records = batch[ahead <= DAY_NS]
    return found


def prints_of(batch: Records) -> list[Print]:
    """The last `TAPE_ROWS` trades of a batch that have a price, oldest first."""
    return [
        Print(row[_EVENT], row[_PRICE], _quantity_e8(row), _SIDES.get(row[_SIDE], 0))
        for row in batch[-TAPE_ROWS:].tolist()
        if row[_PRICE] != UNDEF_PRICE
    ]


def received_ns(batch: Records) -> int:
    """When the last record of a batch was received."""
    return int(batch["ts_recv"][-1])


def book_of(batch: Records) -> Book:
    """The book in the last of some `MBP10` records."""
    record = batch[-1:].view(MBP10_LEVELS)[0]
    if int(record["flags"]) & F_MAYBE_BAD_BOOK:
        return Book(withheld=True)
    own = int(record["publisher_id"]) >= OWN_PUBLISHERS
    bids, asks = [], []
    for bid_px, ask_px, bid_sz, ask_sz, bid_ct, ask_ct in record["levels"].tolist():
        if bid_px != UNDEF_PRICE:
            bids.append((bid_px, join_quantity(bid_sz, bid_ct) if own else bid_sz * QUANTITY_SCALE))
        if ask_px != UNDEF_PRICE:
            asks.append((ask_px, join_quantity(ask_sz, ask_ct) if own else ask_sz * QUANTITY_SCALE))
    return Book(tuple(bids), tuple(asks))


def _quantity_e8(row: Sequence[int]) -> int:
    size = row[_SIZE]
    return join_quantity(size, row[_HIGH_WORD]) if row[_PUBLISHER] >= OWN_PUBLISHERS else size * QUANTITY_SCALE


class Tape:
    """The last `TAPE_ROWS` prints of one instrument and the count of all."""

    def __init__(self) -> None:
        self.total = 0
        self._rows: deque[Print] = deque(maxlen=TAPE_ROWS)
        self._newest_first: tuple[Print, ...] | None = ()

    def add(self, prints: list[Print], count: int) -> None:
        """Append `prints`, oldest first, the last of `count` trades."""
        self._rows.extendleft(prints)
        self.total += count
        self._newest_first = None

    def newest_first(self) -> tuple[Print, ...]:
        """The rows; the same object until something is added."""
        if self._newest_first is None:
            self._newest_first = tuple(self._rows)
        return self._newest_first
