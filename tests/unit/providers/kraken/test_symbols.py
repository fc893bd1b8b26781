"""Kraken spot's names: REST's catalogue of 2021 and today's, to the sockets' names and back."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    ResourceExhaustedError,
    TransientError,
)
from core.model.instruments import Product
from core.model.symbology import SymbolMap
from providers.kraken.spot.symbols import parse_asset_pairs


def _capture(captures: Path) -> bytes:
    return gzip.decompress((captures / "kraken_spot" / "rest_assetpairs_full_20210417.json.gz").read_bytes())


def _answer(**pairs: dict[str, Any]) -> bytes:
    return json.dumps({"error": [], "result": pairs}).encode()


def _pair(wsname: str = "XBT/USD", **fields: Any) -> dict[str, Any]:
    return {
        "altname": wsname.replace("/", ""), "wsname": wsname, "aclass_base": "currency", "base": "XXBT",
        "quote": "ZUSD", "pair_decimals": 1, "lot_decimals": 8, "tick_size": "0.1", "status": "online", **fields,
    }  # fmt: skip


def test_the_catalogue_of_2021_maps_both_ways(captures: Path) -> None:
    """Every pair that is listed comes back from its own symbol; dark pairs and the one too fine stay out."""
    body = _capture(captures)
    listed = json.loads(body)["result"]
    symbols = SymbolMap("KRAKEN", parse_asset_pairs(body, venue="KRAKEN"))
    too_fine = [name for name, pair in listed.items() if "wsname" in pair and pair["pair_decimals"] > 9]
    assert len(symbols) == sum("wsname" in pair for pair in listed.values()) - len(too_fine)
    assert too_fine
    assert not symbols.ambiguous
    for instrument in symbols.instruments():
        assert symbols.to_canonical(symbols.to_venue(instrument.symbol)) == instrument.symbol
        assert symbols.resolve(instrument.symbol) is symbols.resolve(instrument.venue_symbol) is instrument
        assert instrument.venue_symbol == f"{instrument.base}/{instrument.quote}"
        assert not {"XBT", "XDG"} & {instrument.base, instrument.quote}


def test_what_is_too_fine_is_refused_loudly(captures: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A pair with ten decimals is named in the log."""
    with caplog.at_level(logging.WARNING, "ringside.kraken"):
        parse_asset_pairs(_capture(captures), venue="KRAKEN")
    assert "TRXXBT: price increment finer than 1e-9" in caplog.text


@pytest.mark.parametrize(
    ("name", "venue_symbol"),
    [
        ("XBTUSD", "BTC/USD"), ("BTCUSD", "BTC/USD"), ("BTC/USD", "BTC/USD"), ("XBT/USD", "BTC/USD"),
        ("xbtusd", "BTC/USD"), ("DOGEUSD", "DOGE/USD"), ("XDGUSD", "DOGE/USD"), ("XDG/USD", "DOGE/USD"),
        ("XDGXBT", "DOGE/BTC"), ("ETHXBT", "ETH/BTC"), ("XTZUSD", "XTZ/USD"),
    ],
)  # fmt: skip
def test_every_way_to_write_a_pair_is_understood(captures: Path, name: str, venue_symbol: str) -> None:
    """REST's names, the sockets' and the canonical ones all mean the same pair."""
    symbols = SymbolMap("KRAKEN", parse_asset_pairs(_capture(captures), venue="KRAKEN"))
    assert symbols.resolve(name).venue_symbol == venue_symbol


def test_tether_is_not_the_dollar(captures: Path) -> None:
    """`BTCUSD` and `BTCUSDT` are two instruments."""
    symbols = SymbolMap("KRAKEN", parse_asset_pairs(_capture(captures), venue="KRAKEN"))
    assert symbols.resolve("BTCUSDT").quote == "USDT"
    assert symbols.resolve("BTCUSD").quote == "USD"
    with pytest.raises(NotFoundError):
        symbols.resolve("BTCXYZ")


@pytest.mark.parametrize("tick", ["0.5", 0.5, "5E-1", "0.50"])
def test_todays_catalogue(tick: str | float) -> None:
    """Increments come as text or as numbers and may be coarser than the digits printed."""
    body = _answer(XXBTZUSD=_pair(tick_size=tick, costmin="0.5", execution_venue="international"))
    [instrument] = parse_asset_pairs(body, venue="SIM.KRAKEN")
    assert (instrument.symbol, instrument.venue_symbol, instrument.venue) == ("BTCUSD", "BTC/USD", "SIM.KRAKEN")
    assert (instrument.price_decimals, instrument.price_increment_e9) == (1, 500_000_000)
    assert (instrument.quantity_decimals, instrument.quantity_increment_e8) == (8, 1)
    assert (instrument.product, instrument.settle, instrument.instrument_id) == (Product.SPOT, "USD", 0)


def test_an_increment_without_a_tick_comes_from_the_digits() -> None:
    """Answers of 2021 have no tick size."""
    pair = _pair(pair_decimals=5, lot_decimals=3)
    del pair["tick_size"]
    [instrument] = parse_asset_pairs(_answer(A=pair), venue="KRAKEN")
    assert (instrument.price_increment_e9, instrument.quantity_increment_e8) == (10_000, 100_000)


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("XETHXXBT.d", _pair("ETH/XBT")),
        ("NONAME", {"pair_decimals": 1, "lot_decimals": 8}),
        ("AAPLXUSD", _pair("AAPLx/USD", aclass_base="tokenized_asset")),
    ],
)
def test_what_is_no_pair_of_currencies_is_skipped(
    name: str, pair: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Dark pairs, nameless pairs and tokenised assets are not our business, and no reason to complain."""
    assert parse_asset_pairs(_answer(**{name: pair}), venue="KRAKEN") == []
    assert not caplog.records


@pytest.mark.parametrize(
    "fields",
    [
        {"pair_decimals": 10}, {"lot_decimals": 9}, {"pair_decimals": -1}, {"lot_decimals": -1},
        {"pair_decimals": "1"}, {"tick_size": "0"}, {"tick_size": "0.0000000001"}, {"tick_size": [1]},
        {"wsname": "XBTUSD"}, {"wsname": "/USD"}, {"wsname": "A/B/C"}, {"wsname": "../x/USD"},
        {"wsname": "\x1b[2J/USD"}, {"wsname": "X" * 40 + "/USD"}, {"tick_size": "x"},
    ],
)  # fmt: skip
def test_a_pair_that_cannot_be_held_is_left_out_alone(
    fields: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of the catalogue stands, and the log names the pair without its control characters."""
    body = _answer(BAD=_pair(**fields), GOOD=_pair("ETH/USD"))
    assert [each.symbol for each in parse_asset_pairs(body, venue="KRAKEN")] == ["ETHUSD"]
    assert "BAD" in caplog.text
    assert "\x1b" not in caplog.text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("EGeneral:Too many requests", ResourceExhaustedError),
        ("EService:Unavailable", TransientError),
        ("EQuery:Unknown asset pair", NotFoundError),
        ("EGeneral:Permission denied", AuthenticationError),
    ],
)
def test_an_error_comes_with_status_200(error: str, kind: type[ConsoleError]) -> None:
    """The venue's errors are in the body, and say what to do."""
    with pytest.raises(kind) as caught:
        parse_asset_pairs(json.dumps({"error": [error]}).encode(), venue="KRAKEN")
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "body", [b"", b"<html>502</html>", b"[]", b'{"error":[]}', b'{"result":[]}', b"\xff\xfe", b"[" * 99_999]
)
def test_another_answer_is_a_trouble_that_passes(body: bytes) -> None:
    """A maintenance page is not a catalogue."""
    with pytest.raises(TransientError):
        parse_asset_pairs(body, venue="KRAKEN")


def test_a_catalogue_cut_anywhere_is_refused() -> None:
    """No part of an answer passes for the whole."""
    body = _answer(XXBTZUSD=_pair())
    for length in range(len(body)):
        with pytest.raises(TransientError):
            parse_asset_pairs(body[:length], venue="KRAKEN")
