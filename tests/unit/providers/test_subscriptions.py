"""What feeds know of their subscriptions, answer by answer: asked, granted, refused, and why."""

from __future__ import annotations

from collections.abc import Mapping

from core.model.records import STREAMED
from providers.base import Standing, Subscription
from providers.binance.feed import STREAMS, BinanceFeed
from providers.connection import ConnectionState
from providers.databento.feed import Feed
from providers.databento.live import Mapped, Refusal
from tests.unit.providers.binance.support import Bench
from tests.unit.providers.binance.support import KeepingSink as BinanceSink
from tests.unit.providers.binance.support import instrument as binance_instrument
from tests.unit.providers.databento.gateways import instrument as future
from tests.unit.providers.databento.support import MemorySink
from tests.unit.providers.kraken.futures_support import FuturesRig, products
from tests.unit.providers.kraken.support import Rig, instrument, refusal

ASKED, GRANTED, REFUSED = Standing.ASKED, Standing.GRANTED, Standing.REFUSED
ETH = instrument("ETH/USD", price_decimals=2)


def told(said: Mapping[str, Subscription], symbol: str = "BTCUSD") -> dict[str, tuple[Standing, str]]:
    """Where each channel of a symbol stands, and why."""
    return {name: (status.standing, status.reason) for name, status in said[symbol].items()}


def grant(channel: str, symbol: str = "BTC/USD") -> dict[str, object]:
    """Kraken spot's consent."""
    return {"method": "subscribe", "success": True, "result": {"channel": channel, "symbol": symbol}}


def test_channels_are_granted_one_by_one() -> None:
    """What the venue has not answered is asked for; a lost connection takes everything back."""
    rig = Rig()
    assert told(rig.feed.subscriptions()) == dict.fromkeys(("trade", "ticker", "book"), (ASKED, ""))
    rig.handle(grant("trade"), grant("book"))
    assert told(rig.feed.subscriptions()) == {"trade": (GRANTED, ""), "ticker": (ASKED, ""), "book": (GRANTED, "")}
    rig.feed.closed()
    assert set(told(rig.feed.subscriptions()).values()) == {(ASKED, "")}


def test_a_refusal_has_the_venues_words() -> None:
    """One that is for good is refused, one that may pass is still asked for; both say why, in printable text."""
    rig = Rig(instrument(), ETH)
    rig.handle(refusal("ETH/USD", "Currency pair not supported\x1b[2J", req_id=1))
    rig.handle(refusal("BTC/USD", "EService:Busy", req_id=2))
    standing, reason = told(rig.feed.subscriptions(), "ETHUSD")["trade"]
    assert (standing, reason[:27], reason.isprintable()) == (REFUSED, "Currency pair not supported", True)
    assert told(rig.feed.subscriptions())["ticker"] == (ASKED, "EService:Busy")
    rig.handle(grant("ticker"))
    assert told(rig.feed.subscriptions())["ticker"] == (GRANTED, "")


def test_what_stood_already_is_granted() -> None:
    """A venue that says it gave this before gives it."""
    rig = Rig()
    rig.feed.subscribe(ETH)
    rig.handle(refusal("ETH/USD", "Already subscribed", req_id=4))
    assert told(rig.feed.subscriptions(), "ETHUSD")["trade"] == (GRANTED, "")


def test_channels_that_do_not_exist_are_not_remembered() -> None:
    """A venue may grant what it likes: only channels that were asked for are kept, and symbols that are streamed."""
    rig, futures = Rig(), FuturesRig()
    for number in range(50):
        rig.handle(grant(f"made-up-{number}"), grant("trade", f"MADE/UP{number}"))
        futures.handle({"event": "subscribed", "feed": f"made-up-{number}", "product_ids": ["PI_XBTUSD", "PI_NO"]})
    assert set(rig.feed.subscriptions()) == set(futures.feed.subscriptions()) == {"BTCUSD"}
    assert rig.feed._markets["BTC/USD"].channels == futures.feed._markets["PI_XBTUSD"].channels == {}


def test_a_book_that_is_asked_for_anew_is_not_granted_until_it_is() -> None:
    """Where a book stands follows its own requests."""
    rig = Rig()
    rig.handle(grant("book"))
    rig.feed._markets["BTC/USD"].expect_snapshot()
    assert told(rig.feed.subscriptions())["book"] == (ASKED, "")


def test_products_are_granted_by_feed() -> None:
    """Kraken Futures names feed and products; a removed product is told of no more."""
    rig = FuturesRig()
    rig.handle({"event": "subscribed", "feed": "trade", "product_ids": ["PI_XBTUSD"]})
    rig.feed.subscribe(products()["PI_ETHUSD"])
    assert told(rig.feed.subscriptions())["trade"] == (GRANTED, "")
    assert set(told(rig.feed.subscriptions(), "ETHUSD").values()) == {(ASKED, "")}
    rig.feed.unsubscribe("BTCUSD")
    assert set(rig.feed.subscriptions()) == {"ETHUSD"}


def test_a_message_of_binance_is_granted_as_a_whole() -> None:
    """All streams of a symbol have one answer, until the connection is lost; a refused one stays refused."""
    bench = Bench(binance_instrument(), binance_instrument("ETHUSDT", "ETHUSD"))
    assert told(bench.feed.subscriptions()) == dict.fromkeys(STREAMS, (ASKED, ""))
    bench.say({"result": None, "id": 1})
    assert set(told(bench.feed.subscriptions(), "ETHUSD").values()) == {(GRANTED, "")}
    bench.feed.subscribe(binance_instrument("SOLUSDT", "SOLUSD"))
    bench.say({"code": 2, "msg": "Invalid request", "id": 2})
    (said,) = set(told(bench.feed.subscriptions(), "SOLUSD").values())
    assert (said[0], "Invalid request" in said[1]) == (REFUSED, True)
    bench.feed.closed()
    bench.feed.opened()
    assert set(told(bench.feed.subscriptions()).values()) == {(ASKED, "")}
    assert set(told(bench.feed.subscriptions(), "SOLUSD").values()) == {said}
    bench.feed.unsubscribe("SOLUSD")
    assert set(bench.feed.subscriptions()) == {"BTCUSD", "ETHUSD"}


def test_what_binance_does_not_list_is_refused_without_asking() -> None:
    """The reason is the catalogue's; a symbol that is wanted no more is told of no more."""

    def listed(counters: object) -> bool:
        counters.problem = "no such instrument"  # type: ignore[attr-defined]
        return False

    feed = BinanceFeed(
        [binance_instrument()],
        BinanceSink(),
        connection=ConnectionState("BINANCE"),
        request_snapshot=lambda _book: None,
        is_listed=listed,
    )
    assert set(told(feed.subscriptions()).values()) == {(REFUSED, "no such instrument")}
    feed.unsubscribe("BTCUSD")
    assert feed.subscriptions() == {}


def test_a_gateway_grants_by_saying_a_number() -> None:
    """Databento answers once for all schemas, anew in every session."""
    feed = Feed([future(), future("NOPE")], MemorySink(), ConnectionState("GLBX.MDP3"), STREAMED)
    feed.opened(1)
    assert told(feed.subscriptions(), "ESU4") == dict.fromkeys(map(str, STREAMED), (ASKED, ""))
    text = "Failed to resolve symbols: NOPE"
    feed.take([Mapped(118, "ESU4"), Refusal("SYMBOL_RESOLUTION_FAILED", text)], 1)
    assert set(told(feed.subscriptions(), "ESU4").values()) == {(GRANTED, "")}
    assert {standing for standing, reason in told(feed.subscriptions(), "NOPE").values() if reason} == {REFUSED}
    feed.closed(2)
    assert set(told(feed.subscriptions(), "ESU4").values()) == {(ASKED, "")}
    feed.opened(3)
    assert set(told(feed.subscriptions(), "NOPE").values()) == {(ASKED, "")}
