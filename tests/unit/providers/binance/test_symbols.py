"""Binance's catalogue."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.model.symbology import SymbolMap
from providers.binance.symbols import read_catalogue


def listing(base: str, quote: str, *, tick: str = "0.01000000", step: str = "0.00001000", **changes: str) -> object:
    """One symbol of exchangeInfo."""
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": tick},
        {"filterType": "LOT_SIZE", "stepSize": step},
    ]
    plain: dict[str, object] = {"symbol": base + quote, "status": "TRADING", "baseAsset": base, "quoteAsset": quote}
    return plain | changes | {"filters": filters}


def catalogue(*listings: object) -> SymbolMap:
    """The map of an exchangeInfo answer with these symbols."""
    return read_catalogue(json.dumps({"symbols": listings}).encode(), "BINANCE").symbols


def test_tether_is_typed_dollar_and_kept() -> None:
    """BTCUSDT is typed BTCUSD, and still quoted and settled in USDT with its own precision."""
    found = catalogue(listing("BTC", "USDT")).resolve("BTCUSD")
    assert (found.venue_symbol, found.quote, found.settle, found.base) == ("BTCUSDT", "USDT", "USDT", "BTC")
    assert (found.price_decimals, found.quantity_decimals) == (2, 5)
    assert (found.price_increment_e9, found.quantity_increment_e8) == (10_000_000, 1_000)


def test_a_dollar_market_of_the_venue_owns_its_name() -> None:
    """Where the venue lists the base against USD, the Tether market keeps its own name."""
    symbols = catalogue(listing("BTC", "USDT"), listing("BTC", "USD"))
    assert symbols.to_venue("BTCUSD") == "BTCUSD"
    assert symbols.to_venue("BTCUSDT") == "BTCUSDT"
    assert symbols.resolve("BTCUSDT").canonical == "BTCUSDT"


def test_two_claims_on_one_name_keep_the_venues_own() -> None:
    """When two markets would be typed alike, both go by the venue's names and neither is lost."""
    clash = catalogue(listing("A", "BC", symbol="ONE"), listing("AB", "C", symbol="TWO"))
    assert (clash.to_venue("ONE"), clash.to_venue("TWO")) == ("ONE", "TWO")
    assert not clash.ambiguous


def test_what_a_record_cannot_hold_is_left_out_loudly(caplog: pytest.LogCaptureFixture) -> None:
    """Increments that are too fine and names outside the grammar are counted in the log; the others stay."""
    with caplog.at_level(logging.WARNING):
        symbols = catalogue(
            listing("FINE", "USDT", tick="0.0000000001"),
            listing("SMALL", "USDT", step="0.000000001"),
            listing("../ETC", "USDT"),
            listing("１２３", "USDT"),
            listing("ODD", "USDT", tick="abc"),
            listing("BTC", "USDT"),
        )
    assert [each.venue_symbol for each in symbols.instruments()] == ["BTCUSDT"]
    assert "5 instruments left out" in caplog.text


def test_a_filter_that_is_off_leaves_the_finest_step() -> None:
    """A tick of zero means that the rule is off: eight decimals remain."""
    found = catalogue(listing("A", "B", tick="0.00000000", step="0.00000000")).resolve("AB")
    assert (found.price_increment_e9, found.price_decimals) == (10, 8)
    assert (found.quantity_increment_e8, found.quantity_decimals) == (1, 8)


def test_halted_markets_are_listed_and_marked() -> None:
    """A market that does not trade stays in the catalogue with its status beside it."""
    found = read_catalogue(json.dumps({"symbols": [listing("A", "B", status="BREAK")]}).encode(), "BINANCE")
    assert found.halted == {"AB": "BREAK"}
    assert len(found.symbols) == 1


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"symbols":[{"symbol":1}]}'])
def test_another_shape_is_refused(body: bytes) -> None:
    """An answer of another shape raises, so that the caller can say so."""
    with pytest.raises(msgspec.MsgspecError):
        read_catalogue(body, "BINANCE")


def test_every_real_symbol_makes_the_round_trip(captures: Path) -> None:
    """All 1695 symbols of the real catalogue are held, and each is found again by either of its names."""
    path = captures / "binance" / "binance_exchangeinfo_20211012.json.gz"
    body = gzip.decompress(path.read_bytes())
    found = read_catalogue(body, "BINANCE")
    raw: list[dict[str, Any]] = json.loads(body)["symbols"]
    assert len(found.symbols) == len(raw) == 1695
    assert not found.symbols.ambiguous
    assert len(found.halted) == 433
    for each in raw:
        canonical = found.symbols.to_canonical(each["symbol"])
        assert found.symbols.to_venue(canonical) == each["symbol"]
        instrument = found.symbols.resolve(canonical)
        assert (instrument.base, instrument.quote) == (each["baseAsset"], each["quoteAsset"])
        typed = "USD" if each["quoteAsset"] == "USDT" else each["quoteAsset"]
        assert canonical in {each["baseAsset"] + typed, each["symbol"]}
    assert found.symbols.to_venue("BTCUSD") == "BTCUSDT"
