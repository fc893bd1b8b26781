"""The attachment: what it reads, what it keeps, and what it does when rings come and go."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import console.tui
from console.tui.attach import Attachment
from console.tui.snapshot import Snapshot
from console.tui.status import parse_status
from core.clock import DAY_NS, NS_PER_S
from core.model.records import OHLCV, Schema
from ringbuf.reader import RingReader
from ringbuf.writer import RingIdentity, RingWriter
from tests.tui.fake_engine import FakeEngine, Listing

BTC, ETH = ("BTCUSD", "KRAKEN"), ("ETHUSD", "KRAKEN")
T0_NS = 1_790_000_040 * NS_PER_S  # a whole minute


class Times:
    """Clocks that a test sets."""

    def __init__(self) -> None:
        self.now_ns, self.now_s = T0_NS, 1000.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now_ns += round(seconds * NS_PER_S)
        self.now_s += seconds


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """An engine with two instruments."""
    listings = (Listing("BTCUSD"), Listing("ETHUSD", price_decimals=2))
    with FakeEngine(Path(os.environ["RINGSIDE_SHM"]), *listings, capacity=256) as running:
        yield running


@pytest.fixture
def times() -> Times:
    """The time."""
    return Times()


@pytest.fixture
def attachment(times: Times) -> Iterator[Attachment]:
    """An attachment that reads those clocks."""
    made = Attachment(wall_ns=lambda: times.now_ns, monotonic_ns=lambda: round(times.now_s * NS_PER_S))
    yield made
    made.close()


def look(attachment: Attachment, engine: FakeEngine) -> Snapshot:
    """A frame after a fresh status."""
    attachment.update_status(parse_status(engine.answer()))
    return attachment.frame()


def test_trades_are_read_from_the_oldest(attachment: Attachment, engine: FakeEngine) -> None:
    """What was traded before the screen came is in candles, tape and the day's change, but is no activity."""
    for price, second in (("100", 0), ("110", 61), ("105", 62)):
        engine.trade(BTC, price, ts_ns=T0_NS + second * NS_PER_S)
    snapshot = look(attachment, engine)
    focus = snapshot.focus
    assert focus is not None
    assert focus.view.change_e4 == 500
    assert (focus.view.rate, focus.view.flash, focus.view.direction) == (0.0, False, 0)
    assert [one.price_e9 // 10**9 for one in focus.tape] == [105, 110, 100]
    assert focus.bars["close"].tolist() == [100 * 10**9, 105 * 10**9]


def test_a_trade_of_the_far_future_is_not_the_days_first(attachment: Attachment, engine: FakeEngine) -> None:
    """A trade dated years ahead decides neither the day's change nor the chart, alone or among others."""
    years_ns = 900 * DAY_NS
    engine.trade(BTC, "50", ts_ns=T0_NS, ahead_ns=years_ns)
    look(attachment, engine)
    engine.trade(BTC, "100", ts_ns=T0_NS)
    engine.trade(BTC, "110", ts_ns=T0_NS, ahead_ns=years_ns)
    focus = attachment.frame().focus
    assert focus is not None
    assert focus.view.change_e4 == 1000
    assert focus.bars["close"].tolist() == [100 * 10**9]
    engine.trade(BTC, "200", ts_ns=T0_NS + DAY_NS)
    assert attachment.frame().symbols[0].first_e9 == 200 * 10**9


def test_rings_of_bars_are_left_alone(attachment: Attachment, engine: FakeEngine) -> None:
    """No screen shows what they carry, and it is never taken for trades."""
    engine.trade(BTC, "100")
    answer = engine.answer()
    trades = next(row for row in answer["rings"] if (row["symbol"], row["schema"]) == ("BTCUSD", "trades"))
    identity = RingIdentity(
        schema="ohlcv-1m", record_bytes=OHLCV.itemsize, symbol="BTCUSD", venue="KRAKEN", instrument_id=1, instance="x"
    )
    writer = RingWriter(Path(f"{trades['path']}.ohlcv-1m"), identity, capacity=64)
    try:
        writer.push_batch(np.ones(3, OHLCV))
        answer["rings"].append(trades | {"schema": "ohlcv-1m", "path": str(writer.path), "record_bytes": 56})
        attachment.update_status(parse_status(answer))
        focus = attachment.frame().focus
        assert focus is not None
        assert [one.price_e9 for one in focus.tape] == [100 * 10**9]
    finally:
        writer.close()


def test_ticks_flash_then_point_then_rest(attachment: Attachment, engine: FakeEngine, times: Times) -> None:
    """A change flashes for 0.3 s, has a direction for 2 s and a rate for five."""
    engine.trade(BTC, "100")
    look(attachment, engine)
    engine.trade(BTC, "101")
    assert (attachment.frame().symbols[0].flash, attachment.frame().symbols[0].direction) == (True, 1)
    times.advance(0.5)
    one = attachment.frame().symbols[0]
    assert (one.flash, one.direction) == (False, 1)
    times.advance(2)
    one = attachment.frame().symbols[0]
    assert (one.direction, one.rate) == (0, 0.2)
    times.advance(10)
    one = attachment.frame().symbols[0]
    assert (one.rate, one.age_s) == (0.0, 12.5)


def test_only_the_selected_book_is_read(attachment: Attachment, engine: FakeEngine) -> None:
    """The book's ring of one instrument has a reader called `screen`; selecting another moves it."""

    def readers(key: tuple[str, str]) -> list[str]:
        watching = RingReader(engine.writer(key, Schema.BOOK).path, dtype=Schema.BOOK.dtype)
        names = [state.name for state in watching.readers()]
        watching.close()
        return names

    engine.book(BTC, [("99", "1")], [("101", "2")])
    focus = look(attachment, engine).focus
    assert focus is not None
    assert focus.book is not None
    assert focus.book.asks == ((101 * 10**9, 2 * 10**8),)
    assert (readers(BTC), readers(ETH)) == (["screen"], [])
    attachment.select(ETH)
    focus = attachment.frame().focus
    assert focus is not None
    assert focus.book is None
    assert (readers(BTC), readers(ETH)) == ([], ["screen"])


def test_another_selection_gets_its_whole_history(attachment: Attachment, engine: FakeEngine) -> None:
    """Candles and tape of a newly selected instrument begin at its ring's oldest trade, and go on without a break."""
    for number in range(5):
        engine.trade(ETH, str(200 + number), ts_ns=T0_NS + number * NS_PER_S)
    look(attachment, engine)
    attachment.select(ETH)
    engine.trade(ETH, "205", ts_ns=T0_NS + 5 * NS_PER_S)
    focus = attachment.frame().focus
    assert focus is not None
    assert [one.price_e9 // 10**9 for one in focus.tape] == [205, 204, 203, 202, 201, 200]
    assert focus.bars["trades"].tolist() == [5, 1]
    assert focus.tape_total == 6


def test_the_automatic_width_grows_with_the_history(attachment: Attachment, engine: FakeEngine) -> None:
    """Candles are five seconds wide until there are five minutes of them; a chosen width stays."""
    engine.trade(BTC, "100", ts_ns=T0_NS)
    focus = look(attachment, engine).focus
    assert focus is not None
    assert focus.interval_ns == 5 * NS_PER_S
    engine.trade(BTC, "101", ts_ns=T0_NS + 301 * NS_PER_S)
    focus = attachment.frame().focus
    assert focus is not None
    assert focus.interval_ns == 60 * NS_PER_S
    assert focus.bars["ts_event"].tolist() == [T0_NS, T0_NS + 300 * NS_PER_S]
    attachment.set_interval("15m")
    focus = attachment.frame().focus
    assert focus is not None
    assert focus.interval_ns == 900 * NS_PER_S
    assert focus.bars["trades"].sum() == 2


def test_replaced_rings_are_followed(attachment: Attachment, engine: FakeEngine) -> None:
    """After a restart of the engine the new files are read, and the last price known until then stays."""
    engine.trade(BTC, "100")
    look(attachment, engine)
    engine.close()
    assert attachment.frame().symbols[0].last_e9 == 100 * 10**9
    engine.start()
    look(attachment, engine)
    engine.trade(BTC, "120")
    assert attachment.frame().symbols[0].last_e9 == 120 * 10**9


def test_laps_are_counted_and_survive_a_restart(attachment: Attachment, engine: FakeEngine) -> None:
    """What was overwritten unread is lost, and stays counted when the ring is gone."""
    look(attachment, engine)
    for _ in range(300):
        engine.trade(BTC, "100")
    assert attachment.frame().health.lost == 300 - 256
    engine.close()
    engine.start()
    assert look(attachment, engine).health.lost == 300 - 256


def test_a_recordings_age_counts_from_when_we_saw_it(attachment: Attachment, engine: FakeEngine) -> None:
    """Live data that was received days ago is stale; the same instants in a recording are not."""
    engine.trade(BTC, "100", ts_ns=T0_NS - 100 * NS_PER_S)
    assert look(attachment, engine).symbols[0].age_s == 100
    attachment.close()
    engine.overrides = {"source": "recording"}
    assert look(attachment, engine).symbols[0].age_s == 0


def test_a_ring_that_cannot_be_read_is_a_problem(attachment: Attachment, engine: FakeEngine) -> None:
    """A damaged ring is named among the problems, and the others are read."""
    engine.writer(BTC, Schema.TRADES).path.write_bytes(b"x" * 8192)
    engine.trade(ETH, "200")
    snapshot = look(attachment, engine)
    assert any("BTCUSD" in problem for problem in snapshot.health.problems)
    assert snapshot.symbols[1].last_e9 == 200 * 10**9


def test_hostile_names_of_rings_are_made_safe(attachment: Attachment, engine: FakeEngine) -> None:
    """The name of a ring that cannot be read is among the problems without what could command the terminal."""
    path = engine.directory / "ring\x1b[31m\u202e"
    path.write_bytes(b"x" * 8192)
    ring = {"path": str(path), "schema": "trades", "symbol": "BTCUSD", "venue": "KRAKEN"}
    engine.overrides = {"rings": [ring]}
    (problem,) = look(attachment, engine).health.problems
    assert problem.startswith("ring?[31m?: ")
    assert problem.isprintable()


def test_a_store_that_fails_is_a_problem(attachment: Attachment, engine: FakeEngine) -> None:
    """What the store complains of is among the problems."""
    engine.overrides = {"store": {"enabled": True, "problem": "no space left"}}
    assert look(attachment, engine).health.problems == ("store: no space left",)


def test_messages_a_second_come_from_two_answers(attachment: Attachment, engine: FakeEngine) -> None:
    """The rate is the difference of the counts over the engine's own time."""
    first, second = engine.answer(), engine.answer()
    first["now_ns"], second["now_ns"] = T0_NS, T0_NS + 2 * NS_PER_S
    second["connections"][0]["messages"] += 50
    attachment.update_status(parse_status(first))
    attachment.update_status(parse_status(second))
    assert attachment.frame().health.rates == {"KRAKEN": 25.0}
    attachment.status_lost("it has gone")
    health = attachment.frame().health
    assert (health.reachable, health.rates) == (False, {})


def test_a_rate_does_not_fall_to_nothing_between_two_reports(attachment: Attachment, engine: FakeEngine) -> None:
    """What a feed in a process of its own reports once a second is no 0 for those who ask twice as often."""
    for number in range(9):
        answer = engine.answer()
        answer["now_ns"] = T0_NS + number * NS_PER_S // 2
        answer["connections"][0]["messages"] = 100 + number // 2 * 200
        attachment.update_status(parse_status(answer))
        if number > 3:
            assert attachment.frame().health.rates["KRAKEN"] == pytest.approx(200, abs=1)


def test_the_screen_reads_no_clock_of_its_own() -> None:
    """Every instant on the screen comes from `core.clock`: no module of it imports `time` or `datetime`."""
    folder = Path(console.tui.__file__).parent
    imported = {
        (path.name, alias.name)
        for path in folder.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in (node.names if isinstance(node, ast.Import) else [ast.alias(name=node.module or "")])
    }
    assert {name for _path, name in imported} & {"time", "datetime"} == set()
