"""The example of how to add a venue: its page shows the code that is tested, and its feed survives what may come."""

from __future__ import annotations

import json
import re
from pathlib import Path

import attrs
import pytest

from core.clock import NS_PER_S
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.instruments import Instrument
from core.model.publishers import PUBLISHERS, Publisher
from core.model.records import F_MAYBE_BAD_BOOK, Schema
from providers.base import BookState
from providers.connection import ConnectionState
from tests.conformance.providers import KeepingSink
from tests.toy_venue.feed import ToyFeed
from tests.toy_venue.symbols import parse_markets

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "adding-a-venue.md"
TOY = ROOT / "tests" / "toy_venue"
NOW_NS = 1_800_000_000_000_000_000
BLOCK = re.compile(r"^`(tests/toy_venue/\w+\.py)`\n\n```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_shows_the_very_code() -> None:
    """Each file of the toy venue stands on the page, byte for byte, and nothing else does."""
    shown = dict(BLOCK.findall(PAGE.read_text()))
    files = {str(path.relative_to(ROOT)): path.read_text() for path in TOY.glob("*.py") if path.name != "__init__.py"}
    assert shown == files


def test_the_page_names_files_that_are_there() -> None:
    """Paths on the page that begin at the root of the project exist."""
    prose = BLOCK.sub("", PAGE.read_text())
    named = set(re.findall(r"`((?:core|console|config|providers|tests|docs)/[\w./-]+)`", prose))
    missing = {name for name in named if "NAME" not in name and not (ROOT / name).exists()}
    assert named
    assert missing == set()


@attrs.define
class Rig:
    """A feed of one market, opened, and what it writes to."""

    sink: KeepingSink = attrs.Factory(KeepingSink)
    connection: ConnectionState = attrs.Factory(lambda: ConnectionState("TOY"))
    feed: ToyFeed = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.feed = ToyFeed([_instrument()], self.sink, self.connection)
        assert len(self.feed.opened()) == 2

    def handle(self, *frames: dict[str, object] | str, at_ns: int = NOW_NS) -> None:
        """Hand frames over, all received at one instant."""
        for frame in frames:
            self.feed.handle(frame if isinstance(frame, str) else json.dumps(frame), at_ns)
            self.feed.flush()

    def asked(self) -> list[tuple[str, str]]:
        """What the feed wants to send; forgets it."""
        asked = [(each["do"], each["channel"]) for each in map(json.loads, self.feed.outbox)]
        self.feed.outbox.clear()
        return asked


def _instrument() -> Instrument:
    row = {"market": "BTC-USD", "base": "XBT", "quote": "USD", "price_step": "0.01", "size_step": "0.000001"}
    fine = row | {"market": "TOO-FINE", "price_step": "0.00000000001"}
    refused: dict[str, str] = {}
    (found,) = parse_markets(json.dumps([row, fine]).encode(), venue="TOY", refused=refused)
    assert (found.symbol, list(refused)) == ("BTCUSD", ["TOO-FINE"])
    return attrs.evolve(found, instrument_id=7)


def _trade(number: int, **fields: object) -> dict[str, object]:
    row = {"kind": "trade", "market": "BTC-USD", "id": number, "side": "buy", "price": "100.01", "size": "0.5"}
    return row | {"at": NOW_NS // 1000, **fields}


def _book(seq: int, *, whole: bool = False, **fields: object) -> dict[str, object]:
    row = {"kind": "book", "market": "BTC-USD", "seq": seq, "whole": whole, "at": NOW_NS // 1000}
    return row | {"bids": [["100.00", "1"]], "asks": [["100.02", "2"]], **fields}


@pytest.fixture(autouse=True)
def _publisher(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PUBLISHERS, "TOY", Publisher("TOY", OWN_PUBLISHERS + 255, "TOY"))


def test_frames_cut_anywhere_are_counted() -> None:
    """No beginning of a frame raises anything or is taken for one; nor does anything else that is none."""
    rig = Rig()
    count = 0
    for frame in (_trade(1), _book(5, whole=True), {"kind": "granted", "channel": "trade", "market": "BTC-USD"}):
        text = json.dumps(frame)
        for end in range(len(text)):
            rig.handle(text[:end])
            count += 1
    for text in (
        "[" * 10_000,
        "\ud800",
        '{"kind":"made up"}',
        json.dumps(_trade(-1)),
        json.dumps(_trade(1, at=2**70)),
    ):
        rig.handle(text)
        count += 1
    assert rig.connection.malformed == count
    assert not rig.sink.pushes("BTCUSD", Schema.TRADES)


@pytest.mark.parametrize("number", ["", "x", "-1", "0", "1e400", "0.0000000000001", "99999999999999999999", "NaN"])
def test_numbers_that_do_not_fit_are_rejected(number: str) -> None:
    """In a trade they cost the trade; in a book, the book, which is asked for anew."""
    rig = Rig()
    rig.handle(_trade(1, price=number), _trade(2))
    (counters,) = rig.feed.counters
    assert (counters.rejected, counters.trades) == (1, 1)
    rig.handle(_book(5, whole=True), _book(6, bids=[[number, "1"]]))
    assert (counters.rejected, counters.book_state) == (2, BookState.SYNCING)
    assert rig.asked() == [("unsubscribe", "book"), ("subscribe", "book")]


@pytest.mark.parametrize("bad", [_book(7), _book(6, bids=[["100.02", "1"]])])
def test_a_book_that_may_be_wrong_is_not_shown(bad: dict[str, object]) -> None:
    """A missed change and a crossed book withhold it, one that came twice does not; what comes before the new one is
    not for it."""
    rig = Rig()
    rig.handle(_book(5, whole=True), _book(5), bad, _book(8))
    (counters,) = rig.feed.counters
    books = rig.sink.records("BTCUSD", Schema.BOOK)
    assert (books["flags"] & F_MAYBE_BAD_BOOK != 0).tolist() == [False, True]
    assert (counters.duplicates, counters.book_breaks, counters.book_state) == (1, 1, BookState.SYNCING)
    rig.handle(_book(9, whole=True))
    assert counters.book_state is BookState.LIVE


def test_what_is_refused_for_now_is_asked_for_again() -> None:
    """A busy venue is asked again in its time, one that wants none of it is not."""
    rig = Rig()
    refusal = {"kind": "refused", "channel": "trade", "market": "BTC-USD"}
    rig.handle({**refusal, "why": "too many requests"})
    assert rig.asked() == []
    rig.handle({"kind": "pong"}, at_ns=NOW_NS + 6 * NS_PER_S)
    assert ("subscribe", "trade") in rig.asked()
    rig.handle({**refusal, "why": "go away"})
    rig.handle({"kind": "pong"}, at_ns=NOW_NS + 600 * NS_PER_S)
    assert (rig.asked(), rig.feed.counters[0].problem) == ([], "go away")
