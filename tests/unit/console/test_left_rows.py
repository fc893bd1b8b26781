"""What a process left that fed us is still there, until the next one tells of it: unknown or down, and never gone."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from console.childhost import ChildHost
from console.metrics.collect import collect
from console.metrics.facts import MachineFacts
from console.paper.childhost import PaperChild
from console.plan import FeedPlan
from core.errors import TransientError
from core.telemetry.frame import Frame
from tests.simulator.test_engine import make_plan
from tests.unit.console.metrics.documents import NOW_NS, a_connection, a_feed, a_status
from tests.unit.console.metrics.test_collect import found

VENUE = "SIM.KRAKEN"
BTC = (VENUE, "BTCUSD")
ETH = (VENUE, "ETHUSD")
FEED = FeedPlan(provider="kraken", symbols=("BTCUSD", "ETHUSD"), simulated=True)


def legs() -> list[dict[str, Any]]:
    """Two connections to one venue, both up."""
    return [a_connection(f"{VENUE} {number}") for number in (1, 2)]


def hear(host: ChildHost, *feeds: dict[str, Any], **connection: Any) -> None:
    """Let a child of `host` have told that."""
    told = {"connections": [a_connection(VENUE, **{"legs": legs()} | connection)], "feeds": list(feeds),
            "rings": [], "intervals": [], "delays": {}}  # fmt: skip
    host._note_final({"stdout": json.dumps({"report": told}).encode() + b"\n", "stderr": b""})
    host._lost = False


def die(host: ChildHost) -> None:
    """What `run` does when a child died."""
    host._lost = True
    host._reason = str(TransientError("the process was killed", "by signal 9"))
    host._retire()


def frame_of(host: ChildHost) -> Frame:
    """What is measured of an engine with that one feed."""
    report = host.report()
    feeds = [row | {"lost": 0} for row in report["feeds"]]
    return collect(a_status(connections=report["connections"], feeds=feeds), MachineFacts(), now_ns=NOW_NS)


@pytest.fixture
def host() -> ChildHost:
    """One whose child told of two symbols, of which it had left one."""
    host = ChildHost(FEED, make_plan("BTCUSD", feeds=(FEED,), split=True))
    hear(host, a_feed(venue=VENUE), a_feed("ETHUSD", VENUE, streaming=False))
    return host


def test_symbols_of_a_dead_child_are_broken_and_not_gone(host: ChildHost) -> None:
    """Their counts stay, their price is not known, nothing is to be trusted; one that was left does not come back."""
    assert found(frame_of(host), "stale", *BTC) == 0
    die(host)
    frame = frame_of(host)
    assert [found(frame, name, *BTC) for name in ("stale", "broken", "book_invalid", "trades_total")] == [1, 1, 1, 40]
    assert all(math.isnan(found(frame, name, *BTC) or 0) for name in ("price", "book_crossed"))
    assert (found(frame, "stale", *ETH), found(frame, "trades_total", *ETH)) == (None, 40)
    assert "killed" in host.report()["feeds"][0]["health_reason"]


def test_a_child_that_begins_takes_nothing_away(host: ChildHost) -> None:
    """Before it streams it calls its venue by another name and knows no symbols; nor does one that dies as early."""
    before = frame_of(host)
    for _ in range(2):
        die(host)
        hear(host)
        host._status["connections"] = [a_connection("KRAKEN", status="connecting", messages=0, legs=[])]
        frame = frame_of(host)
        for name in ("connection_up", "stale", "trades_total", "price", "legs", "legs_up"):
            column = frame.columns[f"ringside_{name}"]
            assert column.labels == before.columns[f"ringside_{name}"].labels, name
        assert found(frame, "messages_total", VENUE) == 120
        assert (found(frame, "legs", VENUE), found(frame, "legs_up", VENUE)) == (2, 0)
        assert (found(frame, "broken", *BTC), found(frame, "trades_total", *BTC)) == (1, 40)


def test_values_come_back_with_the_next_child(host: ChildHost) -> None:
    """Counts go on where the last one's ended; what the next one does not stream keeps its counts alone."""
    die(host)
    hear(host, a_feed("ETHUSD", VENUE, trades=2))
    frame = frame_of(host)
    assert [found(frame, name, *ETH) for name in ("stale", "trades_total", "price")] == [0, 42, 64_213.4]
    assert (found(frame, "stale", *BTC), found(frame, "trades_total", *BTC)) == (None, 40)
    hear(host, a_feed(venue=VENUE, trades=3), a_feed("ETHUSD", VENUE, trades=2))
    frame = frame_of(host)
    assert [found(frame, name, *BTC) for name in ("stale", "trades_total", "price")] == [0, 43, 64_213.4]


def test_a_symbol_that_is_left_goes(host: ChildHost) -> None:
    """Nobody asks for it any more: what was firing of it is over."""
    hear(host, a_feed(venue=VENUE, streaming=False, health="stale"))
    assert found(frame_of(host), "stale", *BTC) is None
    die(host)
    assert found(frame_of(host), "stale", *BTC) is None


def test_a_child_that_is_given_up_leaves_nothing_that_is_well(host: ChildHost) -> None:
    """It is not restarted, so that nothing was put aside; what it told last is old."""
    host._lost, host.error = True, TransientError("refused", "by the venue")
    host._reason = str(host.error)
    frame = frame_of(host)
    assert (found(frame, "broken", *BTC), found(frame, "legs_up", VENUE)) == (1, 0)


def test_a_book_that_nobody_asked_for_is_not_withheld(host: ChildHost) -> None:
    """Trades alone may be streamed."""
    hear(host, a_feed(venue=VENUE, book_state="none"))
    die(host)
    assert found(frame_of(host), "book_invalid", *BTC) == 0


def test_accounts_outlive_the_process_that_trades() -> None:
    """One that begins tells of none yet; the last that were told are kept, and one that is removed is gone."""
    child = PaperChild(make_plan("BTCUSD"))
    rest: dict[str, Any] = {"waits_for": [], "journal": {}}
    child._hear(rest | {"report": {"worth": [{"id": "A"}, {"id": "B"}]}})
    child._hear(rest | {"report": {"session": ""}})
    assert [one["id"] for one in child.report()["worth"]] == ["A", "B"]
    child._hear(rest | {"report": {"worth": [{"id": "B"}]}})
    assert [one["id"] for one in child.report()["worth"]] == ["B"]
