"""Names of instruments."""

from __future__ import annotations

import pytest

from core.errors import NotFoundError, UsageError
from core.model.symbology import SymbolMap, canonical_asset, parse_symbols
from tests.unit.core.model.test_instruments import make

MAP = SymbolMap(
    "KRAKEN",
    [
        make("BTCUSD"),
        make("DOGEUSD", venue_symbol="DOGE/USD", base="DOGE"),
        make("ABCUSD", venue_symbol="AB/CUSD"),
        make("ABCUSD", venue_symbol="ABC/USD"),
    ],
)


def test_assets_have_one_common_name() -> None:
    """Kraken's old names become the common ones; nothing else changes."""
    assert [canonical_asset(name) for name in ("XBT", "xdg", "XTZ", "ZEC")] == ["BTC", "DOGE", "XTZ", "ZEC"]


@pytest.mark.parametrize("name", ["BTCUSD", "btcusd", "XBTUSD", "BTC/USD"])
def test_an_operator_may_use_any_of_the_names(name: str) -> None:
    """The canonical symbol, its alias and the venue's own name all find the instrument."""
    assert MAP.resolve(name).venue_symbol == "BTC/USD"


def test_names_round_trip() -> None:
    """The venue's name of a symbol leads back to the symbol."""
    assert MAP.to_canonical(MAP.to_venue("DOGEUSD")) == "DOGEUSD"
    with pytest.raises(NotFoundError):
        MAP.to_canonical("X/Y")


def test_an_unknown_symbol_gets_near_ones() -> None:
    """The error says what the operator may have meant."""
    with pytest.raises(NotFoundError) as caught:
        MAP.resolve("BTCUSB")
    assert "BTCUSD" in caught.value.hint


def test_two_claims_on_one_symbol_are_never_guessed() -> None:
    """An ambiguous symbol is refused with both names, each of which still works."""
    with pytest.raises(NotFoundError, match="ambiguous") as caught:
        MAP.resolve("ABCUSD")
    assert "AB/CUSD" in caught.value.hint
    assert MAP.resolve("AB/CUSD").venue_symbol == "AB/CUSD"


def test_lists_of_symbols() -> None:
    """Lists keep their order and lose repetitions; nonsense is refused without being echoed raw."""
    assert parse_symbols("btcusd, ETHUSD,BTCUSD") == ("BTCUSD", "ETHUSD")
    for text in ("", "BTCUSD,", "a b", "\x1b[2J", "A" * 50):
        with pytest.raises(UsageError) as caught:
            parse_symbols(text)
        assert str(caught.value).isprintable()
