"""Kraken Futures' names: the answer of 2021 and today's."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from core.errors import NotFoundError, ResourceExhaustedError, TransientError
from core.model.instruments import Instrument, Product
from core.model.symbology import SymbolMap
from providers.kraken.futures.symbols import parse_instruments


def _answer(*instruments: dict[str, Any]) -> bytes:
    return json.dumps({"result": "success", "instruments": instruments, "serverTime": "x"}).encode()


def _listed(symbol: str, kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "symbol": symbol, "type": kind, "tickSize": 0.5, "contractSize": 1, "tradeable": True, "base": "BTC",
        "quote": "USD", "pair": "BTC:USD", "contractValueTradePrecision": 0, "category": "Layer 1",
        "postOnly": False, "isExpired": False, **fields,
    }  # fmt: skip


def _only(listed: dict[str, Any]) -> Instrument:
    [instrument] = parse_instruments(_answer(listed))
    return instrument


TODAY = _answer(
    _listed("PI_XBTUSD", "futures_inverse", base="XBT", pair="XBT:USD"),
    _listed("PF_XBTUSD", "flexible_futures", tickSize=1, contractValueTradePrecision=4),
    _listed("FI_XBTUSD_261225", "futures_inverse", lastTradingTime="2026-12-25T16:00:00.000Z"),
    _listed("FF_XBTUSD_261225", "flexible_futures", lastTradingTime="2026-12-25T16:00:00.000Z"),
    _listed("PF_DOGEUSD", "flexible_futures", base="DOGE", tickSize=1e-6, contractValueTradePrecision=0),
    _listed("PF_PEPEUSD", "flexible_futures", base="PEPE", tickSize="1E-9", contractValueTradePrecision=-3),
    {"symbol": "in_xbtusd", "type": "spot index", "tradeable": False},
    _listed("OP_X", "options"),
)


def test_the_answer_of_2021_lists_products_under_their_own_ids(captures: Path) -> None:
    """Lower case and without base and quote: upper-case ids, and nothing guessed from them."""
    body = (captures / "kraken_futures" / "rest_instruments_20210722.json").read_bytes()
    symbols = SymbolMap("KRAKEN_FUTURES", parse_instruments(body))
    assert len(symbols) == 17
    assert not symbols.ambiguous
    for instrument in symbols.instruments():
        assert instrument.symbol == instrument.venue_symbol == instrument.canonical == instrument.symbol.upper()
        assert (instrument.base, instrument.quote, instrument.settle) == ("", "", "")
        assert symbols.to_canonical(symbols.to_venue(instrument.symbol)) == instrument.symbol
        assert symbols.resolve(instrument.symbol.lower()) is instrument
        dated = instrument.symbol.startswith("FI_")
        assert instrument.product is (Product.INVERSE_FUTURE if dated else Product.INVERSE_PERPETUAL)
    bitcoin = symbols.resolve("PI_XBTUSD")
    assert (bitcoin.price_decimals, bitcoin.price_increment_e9) == (1, 500_000_000)
    assert (bitcoin.quantity_decimals, bitcoin.quantity_increment_e8) == (0, 100_000_000)
    assert symbols.resolve("PI_XRPUSD").price_decimals == 4
    with pytest.raises(NotFoundError):
        symbols.resolve("BTCUSD")


def test_todays_answer_gives_the_inverse_perpetual_the_canonical_symbol() -> None:
    """The other products of the pair keep their ids and wear the canonical symbol as a label."""
    symbols = SymbolMap("KRAKEN_FUTURES", parse_instruments(TODAY))
    assert [each.venue_symbol for each in symbols.instruments()] == [
        "PI_XBTUSD", "PF_XBTUSD", "FI_XBTUSD_261225", "FF_XBTUSD_261225", "PF_DOGEUSD", "PF_PEPEUSD",
    ]  # fmt: skip
    for name in ("BTCUSD", "XBTUSD", "PI_XBTUSD"):
        assert symbols.resolve(name).venue_symbol == "PI_XBTUSD"
    for instrument in symbols.instruments():
        assert symbols.to_canonical(symbols.to_venue(instrument.symbol)) == instrument.symbol
        assert instrument.canonical == instrument.base + instrument.quote
        if instrument.venue_symbol != "PI_XBTUSD":
            assert instrument.symbol == instrument.venue_symbol


@pytest.mark.parametrize(
    ("symbol", "product", "settle"),
    [
        ("PI_XBTUSD", Product.INVERSE_PERPETUAL, "BTC"),
        ("PF_XBTUSD", Product.LINEAR_PERPETUAL, "USD"),
        ("FI_XBTUSD_261225", Product.INVERSE_FUTURE, "BTC"),
        ("FF_XBTUSD_261225", Product.LINEAR_FUTURE, "USD"),
    ],
)
def test_products_and_what_settles_them(symbol: str, product: Product, settle: str) -> None:
    """Inverse products settle in the base, linear ones in the quote; an end makes a future of a perpetual."""
    instrument = SymbolMap("KRAKEN_FUTURES", parse_instruments(TODAY)).resolve(symbol)
    assert (instrument.product, instrument.settle, instrument.base) == (product, settle, "BTC")


def test_a_dated_id_is_a_future_even_without_its_end() -> None:
    """The date in the id says so as well."""
    assert _only(_listed("FF_XBTUSD_261225", "flexible_futures")).product is Product.LINEAR_FUTURE
    assert _only(_listed("PV_XRPXBT", "futures_vanilla")).product is Product.LINEAR_PERPETUAL


@pytest.mark.parametrize(
    ("tick", "decimals", "increment_e9"),
    [
        (0.5, 1, 5 * 10**8),
        (10, 0, 10**10),
        ("0.00001", 5, 10_000),
        (1e-5, 5, 10_000),
        ("1E-9", 9, 1),
        (1.0, 0, 10**9),
    ],
)
def test_price_steps(tick: float | str, decimals: int, increment_e9: int) -> None:
    """The digits to print follow from the step, however it is written."""
    instrument = _only(_listed("PF_XBTUSD", "flexible_futures", tickSize=tick))
    assert (instrument.price_decimals, instrument.price_increment_e9) == (decimals, increment_e9)


@pytest.mark.parametrize(
    ("precision", "decimals", "increment_e8"), [(4, 4, 10_000), (0, 0, 10**8), (None, 0, 10**8), (-3, 0, 10**11)]
)
def test_quantity_steps(precision: int | None, decimals: int, increment_e8: int) -> None:
    """A precision below zero means lots of tens and thousands."""
    instrument = _only(_listed("PF_XBTUSD", "flexible_futures", contractValueTradePrecision=precision))
    assert (instrument.quantity_decimals, instrument.quantity_increment_e8) == (decimals, increment_e8)


@pytest.mark.parametrize(
    "fields",
    [
        {"tickSize": 1e-10}, {"tickSize": None}, {"tickSize": 0}, {"tickSize": "x"},
        {"contractValueTradePrecision": 9}, {"contractValueTradePrecision": -99}, {"symbol": "../evil"},
        {"symbol": "\x1b[2J"}, {"base": "B/C"}, {"symbol": 5},
    ],
)  # fmt: skip
def test_a_product_that_cannot_be_held_is_left_out_alone(
    fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the listing stands, and the log says what is missing."""
    body = _answer({**_listed("PF_AUSD", "flexible_futures"), **fields}, _listed("PF_BUSD", "flexible_futures"))
    with caplog.at_level(logging.WARNING):
        assert [each.symbol for each in parse_instruments(body)] == ["PF_BUSD"]
    assert "left out" in caplog.text
    assert "\x1b" not in caplog.text


def test_errors_of_the_venue() -> None:
    """Over the limit means wait; anything else but a listing means try again later."""
    with pytest.raises(ResourceExhaustedError):
        parse_instruments(b'{"result":"error","error":"apiLimitExceeded"}')
    for body in (b'{"result":"error","error":"marketUnavailable"}', b"<html>", b"[]", b"{}", TODAY[:-5]):
        with pytest.raises(TransientError):
            parse_instruments(body)
