"""Every message of the real sessions of Binance through the feed: all understood, none missing, books as quoted."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from core.model.records import Schema
from providers.base import BookState
from providers.binance.normalise import decode_snapshot
from tests.unit.providers.binance.support import Bench, instrument, recorded

WHOLE = 10**9


def _tops(records: np.ndarray[Any, Any], level: str = "") -> list[tuple[int, ...]]:
    names = [f"{name}{level}" for name in ("bid_px", "bid_sz", "bid_ct", "ask_px", "ask_sz", "ask_ct")]
    return list(zip(*(records[name].tolist() for name in names), strict=True))


def test_two_days_are_one_session_without_a_gap(captures: Path) -> None:
    """Every message of both files of 2024: ids in a row, no book break, and the book's best is what was quoted."""
    bench, kinds = Bench(), Counter[str]()
    days = ("spot_btcusdt_20240808.txt.gz", "spot_btcusdt_20240809.txt.gz")
    lines = itertools.chain.from_iterable(recorded(captures, day, WHOLE) for day in days)
    for received_ns, text in lines:
        if text.startswith('{"lastUpdateId"'):
            book = bench.asked[-1]
            assert book.install(decode_snapshot(text), generation=book.generation, ts_recv_ns=received_ns)
            continue
        kinds[text[text.index("@") + 1 :][:5]] += 1
        bench.hand_over(text, received_ns)
    (counters,) = bench.counters
    assert (kinds["depth"], kinds["bookT"]) == (3451 + 3044, 28_040 + 45_134)
    assert (counters.trades, counters.quotes, counters.book_updates) == (
        kinds["trade"],
        kinds["bookT"],
        kinds["depth"],
    )
    assert bench.connection.malformed == 0
    assert (counters.gaps, counters.book_breaks, counters.duplicates, counters.rejected) == (0, 0, 0, 0)
    assert counters.book_state is BookState.LIVE
    assert (np.diff(bench.kept(Schema.TRADES).ids) == 1).all()
    assert (np.diff(bench.kept(Schema.QUOTES).ids) > 0).all()
    books, quotes = bench.kept(Schema.BOOK), bench.kept(Schema.QUOTES)
    at = np.searchsorted(quotes.ids, books.ids, side="right") - 1
    shown = _tops(books.array(Schema.BOOK)["levels"][:, 0])
    quoted = _tops(quotes.array(Schema.QUOTES), "_00")
    agreed = [best == quoted[where] for best, where in zip(shown, at, strict=True) if where >= 0]
    assert len(agreed) > 6400
    assert len(agreed) - sum(agreed) <= 2  # the sheet of facts found 2 of 6491, too


def test_four_symbols_of_2021(captures: Path) -> None:
    """Changes and quotes of four books with their own snapshots: no gap, no break; all else is counted."""
    folder = captures / "binance"
    events = list(_lines(folder / "binance_ws_20211012.txt"))
    names = sorted({message["data"]["s"] for message in map(json.loads, events)})
    assert len(names) == 4
    bench = Bench(*(instrument(name, f"{name[:3]}{at}USD") for at, name in enumerate(names)))
    snapshots = dict(_snapshots(folder / "binance_rest_depth_20211012.txt"))
    for text in events:
        bench.hand_over(text, json.loads(text)["data"].get("E", 0) * 10**6)
        for book in bench.asked:
            found = decode_snapshot(snapshots[book.instrument.venue_symbol])
            book.install(found, generation=book.generation, ts_recv_ns=0)
        bench.asked.clear()
    kinds = Counter(text[text.index("@") + 1 :][:5] for text in events)
    assert sum(kinds.values()) == 265
    assert bench.connection.malformed == kinds["aggTr"] + kinds["kline"]
    assert sum(counters.book_updates for counters in bench.counters) == kinds["depth"]
    assert sum(counters.quotes for counters in bench.counters) == kinds["bookT"]
    for counters in bench.counters:
        assert (counters.gaps, counters.book_breaks, counters.rejected) == (0, 0, 0), counters


def _lines(path: Path) -> Iterator[str]:
    for line in path.read_text().splitlines():
        _, _, text = line.partition(": ")
        if text.startswith('{"stream"'):
            yield text


def _snapshots(path: Path) -> Iterator[tuple[str, str]]:
    for line in path.read_text().splitlines():
        url, _, answer = line.partition(" -> ")
        yield url.partition("symbol=")[2].partition("&")[0], answer.partition(": ")[2]
