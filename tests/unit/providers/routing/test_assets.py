"""What kind of thing a symbol is."""

from __future__ import annotations

import pytest

from core.errors import NotFoundError, UsageError
from providers.routing.assets import EXCHANGES, AssetType, Exchange, exchange_key, find_exchange, infer
from providers.routing.datasets import DATASETS

NAMES = {name: one for one in EXCHANGES for name in (one.name, *one.aliases)}
BOTH = Exchange(name="BOTH", title="Both", asset_types=(AssetType.FUTURES, AssetType.EQUITY))


def test_no_name_stands_for_two_exchanges() -> None:
    """Names and aliases are each written as they are looked up, and used once."""
    written = [name for one in EXCHANGES for name in (one.name, *one.aliases)]
    assert len(set(written)) == len(written)
    assert [exchange_key(name) for name in written] == written


@pytest.mark.parametrize(
    ("name", "expected"),
    [("CME", "CME"), ("xnas", "NASDAQ"), ("NYSE Arca", "ARCA"), ("nyse-american", "AMERICAN"), ("BATS", "BZX")],
)
def test_an_exchange_is_found_by_name_mic_and_habit(name: str, expected: str) -> None:
    """Case, spaces and dashes make no difference."""
    assert find_exchange(name, NAMES).name == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [("KRAKN", "did you mean KRAKEN"), ("\x1b[2J", "datasets"), ("K" * 10_000, "datasets"), (" ", "datasets")],
)
def test_an_exchange_that_nobody_knows_is_not_found(name: str, hint: str) -> None:
    """A typing error is told what is near, and whatever cannot be printed is escaped and short."""
    with pytest.raises(NotFoundError) as caught:
        find_exchange(name, NAMES)
    assert hint in caught.value.hint
    assert caught.value.subject.isprintable()
    assert len(caught.value.subject) < 40


def test_the_exchange_decides_before_the_form() -> None:
    """What has the form of a share is a pair where nothing but pairs is listed, and the reason says so."""
    found = infer("AAPL", NAMES["KRAKEN"], None)
    assert (found.asset_type, found.reason) == (AssetType.CRYPTO, "KRAKEN lists crypto")
    assert infer("ESH5", NAMES["NASDAQ"], None).reason == "NASDAQ lists equities"


@pytest.mark.parametrize(
    ("symbol", "expected", "words"),
    [
        ("ESH5", AssetType.FUTURES, "root ES, March of a year that ends in 5"),
        ("6EZ24", AssetType.FUTURES, "root 6E, December of a year that ends in 24"),
        ("M2KM6", AssetType.FUTURES, "root M2K, June"),
        ("ESH5-ESM5", AssetType.FUTURES, "a spread of futures"),
        ("AAPL", AssetType.EQUITY, "a share"),
        ("BRK.B", AssetType.EQUITY, "a share"),
        ("BTCUSD", AssetType.CRYPTO, "paid in USD"),
        ("BTC/USDT", AssetType.CRYPTO, "paid in USDT"),
        ("1INCHEUR", AssetType.CRYPTO, "paid in EUR"),
        ("PI_XBTUSD", AssetType.CRYPTO, "Kraken Futures"),
    ],
)
def test_without_an_exchange_the_form_tells(symbol: str, expected: AssetType, words: str) -> None:
    """Each has the form of one kind, and the reason says which part of it told."""
    found = infer(symbol, None, None)
    assert found.asset_type is expected
    assert words in found.reason


def test_two_possible_kinds_are_an_error_that_names_both() -> None:
    """A coin of two letters in dollars could be a share of five."""
    with pytest.raises(UsageError, match="equity or crypto") as caught:
        infer("OPUSD", None, None)
    assert "--asset-type" in caught.value.hint
    assert "--exchange" in caught.value.hint


def test_a_form_that_tells_nothing_is_an_error() -> None:
    """Digits alone are no kind of thing."""
    with pytest.raises(UsageError, match="nothing tells whether it is futures or equity or crypto"):
        infer("7203", None, None)


def test_an_exchange_with_two_kinds_leaves_it_to_the_form_among_them() -> None:
    """A form that the exchange does not list is not possible there."""
    assert infer("OPUSD", BOTH, None).asset_type is AssetType.EQUITY
    assert infer("ESH5", BOTH, None).reason.startswith("BOTH lists futures and equity; ESH5 has the form")
    with pytest.raises(UsageError):
        infer("BTCUSD", BOTH, None)


def test_what_is_asked_for_must_be_listed() -> None:
    """An asset type that contradicts the exchange is an error which says what is listed there."""
    assert infer("7203", None, AssetType.EQUITY).reason == "asked for"
    assert infer("BTCUSD", NAMES["KRAKEN"], AssetType.CRYPTO).reason == "asked for, and KRAKEN lists crypto"
    with pytest.raises(UsageError, match="equity on KRAKEN") as caught:
        infer("AAPL", NAMES["KRAKEN"], AssetType.EQUITY)
    assert "lists crypto" in caught.value.hint


def test_exchanges_and_datasets_agree() -> None:
    """A dataset is of an exchange that lists what it holds, and none for futures or equities is without one."""
    listed = {(kind, one.name) for one in EXCHANGES for kind in one.asset_types if kind is not AssetType.CRYPTO}
    assert set(DATASETS) == listed
