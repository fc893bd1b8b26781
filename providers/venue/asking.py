"""How a venue's past is asked for what a channel misses: by number, by time, or by what stands around it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Final, NamedTuple, cast

import attrs
import numpy as np

from core.clock import NS_PER_MS
from core.model.records import TRADE, Records
from providers.base import Historical, HistoricalById, TradePage
from providers.venue.healing_channel import HealingChannel
from providers.venue.holes import Question, Run

MARGIN_NS: Final = 5 * NS_PER_MS
"""How much wider than a hole the first question by time is; each further one is four times as wide."""
WIDENINGS: Final = 3
"""Questions by time after which a past that begins behind a hole is believed to."""
ROWS_AT_MOST: Final = 250_000
"""Trades without numbers that one answer may have."""
_WIDEST: Final = 8
_LOW: Final = 0xFFFF_FFFF
_SAID: Final = ("ts_event", "price", "size", "ts_in_delta", "side")

NOT_THERE: Final = "the venue's history does not have them"
_ALIKE: Final = "the venue's history has no numbers, and another count of trades between those around them"
_NOT_YET: Final = "the venue's history does not have them yet"

_Key = tuple[object, ...]


class Answer(NamedTuple):
    """What became of a question: `final` when asking again would bring nothing more for the oldest hole, and why."""

    final: bool
    reason: str


@attrs.define
class _Told:
    """What the pages of one answer said: the lowest and highest id, and the trades without any."""

    lowest_id: int = 0
    highest_id: int = 0
    rejected: int = 0
    rows: int = 0
    unnumbered: list[Records] = attrs.Factory(list)

    def note(self, page: TradePage) -> list[int]:
        """Keep what matters of a page; returns its ids, none where it has none."""
        self.rejected += page.rejected
        ids: list[int] = page.ids.tolist()
        if not any(ids):
            if ids:
                self.rows += len(ids)
                self.unnumbered.append(page.records)
            return []
        known = [each for each in ids if each]
        self.lowest_id = min(self.lowest_id or known[0], *known)
        self.highest_id = max(self.highest_id, *known)
        return ids


async def ask(history: Historical, channel: HealingChannel, question: Question, *, attempt: int) -> Answer:
    """Ask once for what `channel` misses, and put what comes where it belongs. Raises `ConsoleError`."""
    told = _Told()
    async with aclosing(_pages(history, channel, question, attempt=attempt)) as pages:
        async for page in pages:
            ids = told.note(page)
            channel.recover(ids, _pieces(page.records) if ids else ())
            if told.rows > ROWS_AT_MOST or not channel.sorter.lacks(question):
                break
    if told.unnumbered and not told.highest_id:
        return _numbered(channel, question, np.concatenate(told.unnumbered), attempt=attempt)
    beyond = told.highest_id > question.last_of_first
    joined = isinstance(history, HistoricalById) or 0 < told.lowest_id < question.first_id or attempt >= WIDENINGS
    reason = NOT_THERE if not told.rejected else f"{NOT_THERE} in numbers that can be held"
    return Answer(beyond and joined, reason if beyond else _NOT_YET)


async def ask_onward(history: Historical, channel: HealingChannel, *, now_ns: int, cursor: tuple[int, int]) -> bool:
    """Ask for everything behind `cursor`, an id and its instant, and publish it. Raises `ConsoleError`.

    False: this past has no numbers, and behind the last trade nothing says which ones its trades would have.
    """
    newest_id, newest_ns = cursor
    if isinstance(history, HistoricalById):
        asked = history.trades_from_id(channel.instrument, first_id=newest_id + 1)
    else:
        asked = history.trades(channel.instrument, start_ns=newest_ns - MARGIN_NS, end_ns=now_ns)
    async with aclosing(_generator(asked)) as pages:
        async for page in pages:
            ids: list[int] = page.ids.tolist()
            if ids and not any(ids):
                return False
            channel.catch_up(ids, _pieces(page.records))
    return True


def _pages(
    history: Historical, channel: HealingChannel, question: Question, *, attempt: int
) -> AsyncGenerator[TradePage, None]:
    if isinstance(history, HistoricalById):
        # With the trade behind them, which is there: if it is told and they are not, they are not there.
        last_id = question.last_id + 1
        return _generator(history.trades_from_id(channel.instrument, first_id=question.first_id, last_id=last_id))
    margin_ns = MARGIN_NS << 2 * min(attempt, _WIDEST)
    start_ns, end_ns = question.start_ns - margin_ns, question.end_ns + margin_ns
    return _generator(history.trades(channel.instrument, start_ns=max(start_ns, 0), end_ns=end_ns))


def _generator(pages: AsyncIterator[TradePage]) -> AsyncGenerator[TradePage, None]:
    # Histories are written as generators, which must be closed when they are left early.
    return cast("AsyncGenerator[TradePage, None]", pages)


def _numbered(channel: HealingChannel, question: Question, told: Records, *, attempt: int) -> Answer:
    keys = list(zip(*(told[name].tolist() for name in _SAID), strict=True))
    places: dict[_Key, list[int]] = {}
    for at, key in enumerate(keys):
        places.setdefault(key, []).append(at)
    first_answer: Answer | None = None
    for run in channel.sorter.runs(question.last_id):
        begins, answer = _between(run, keys, places, attempt=attempt)
        first_answer = first_answer or answer
        if begins is not None:
            ids = range(run.first_id, run.last_id + 1)
            chosen = told[begins : begins + len(ids)].copy()
            chosen["sequence"] = np.fromiter((each & _LOW for each in ids), np.uint32, len(ids))
            channel.recover(ids, _pieces(chosen))
    return first_answer or Answer(True, NOT_THERE)


def _between(
    run: Run, keys: Sequence[_Key], places: dict[_Key, list[int]], *, attempt: int
) -> tuple[int | None, Answer]:
    # Where the trades of a run begin: between two that are told just as they came live, if just as many lie there.
    count = run.last_id - run.first_id + 1
    begins, ends = places.get(_key(run.before), []), places.get(_key(run.after), [])
    if not ends:
        return None, Answer(False, _NOT_YET)
    if not begins:
        return None, Answer(attempt >= WIDENINGS, NOT_THERE)
    behind = set(ends)
    found = [at + 1 for at in begins if at + 1 + count in behind]
    # Of trades that are alike in all, it may not be known which one came live: as long as it makes no difference.
    if found and all(keys[at : at + count] == keys[found[0] : found[0] + count] for at in found[1:]):
        return found[0], Answer(False, "")
    return None, Answer(attempt >= 1, _ALIKE)


def _key(record: bytes) -> _Key:
    (row,) = np.frombuffer(record, TRADE)
    return tuple(row[name].item() for name in _SAID)


def _pieces(records: Records) -> list[bytes]:
    packed, size = records.tobytes(), records.dtype.itemsize
    return [packed[at : at + size] for at in range(0, len(packed), size)]
