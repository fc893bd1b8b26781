"""What kind of thing a symbol is: by the exchange that lists it, else by its form; with the reason in words.

Where both leave two answers nothing is guessed.
"""

from __future__ import annotations

import calendar
import enum
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

import attrs

from core.errors import NotFoundError, UsageError
from core.flow.printable import printable

MAX_NAME: Final = 32
"""Characters of an exchange's name."""


class AssetType(enum.StrEnum):
    """What is traded, as far as routing goes. Perpetuals and futures of a crypto exchange are `CRYPTO`."""

    FUTURES = "futures"
    EQUITY = "equity"
    CRYPTO = "crypto"


@attrs.frozen(kw_only=True)
class Exchange:
    """Where something is traded: the `name` it goes by here, its `title`, other names of it (its MIC among them), and
    what it lists."""

    name: str
    title: str
    asset_types: tuple[AssetType, ...]
    aliases: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class Asset:
    """What kind of thing a symbol is and why."""

    asset_type: AssetType
    reason: str


def _listing(asset_type: AssetType, *rows: tuple[str, str, str]) -> tuple[Exchange, ...]:
    return tuple(
        Exchange(name=name, title=title, asset_types=(asset_type,), aliases=tuple(aliases.split()))
        for name, title, aliases in rows
    )


EXCHANGES: Final = (
    *_listing(
        AssetType.FUTURES,
        ("CME", "Chicago Mercantile Exchange", "XCME"),
        ("CBOT", "Chicago Board of Trade", "XCBT"),
        ("NYMEX", "New York Mercantile Exchange", "XNYM"),
        ("COMEX", "Commodity Exchange", "XCEC"),
        ("GLOBEX", "CME Globex, which trades all four", "GLBX"),
        ("CFE", "Cboe Futures Exchange", "XCBF"),
        ("ICEUS", "ICE Futures US", "IFUS ICE_US"),
        ("ICEEU", "ICE Futures Europe, commodities", "IFEU ICE_EUROPE"),
        ("ICEEU_FINANCIALS", "ICE Futures Europe, financials", "IFLL ICE_EUROPE_FINANCIALS"),
        ("ENDEX", "ICE Endex", "NDEX ICE_ENDEX"),
        ("EUREX", "Eurex", "XEUR"),
        ("EEX", "European Energy Exchange", "XEEE"),
        ("OSE", "Osaka Exchange", "XOSE"),
        ("TOCOM", "Tokyo Commodity Exchange", "XTKT"),
    ),
    *_listing(
        AssetType.EQUITY,
        ("NASDAQ", "Nasdaq", "XNAS"),
        ("BX", "Nasdaq BX", "XBOS NASDAQ_BX"),
        ("PSX", "Nasdaq PSX", "XPSX NASDAQ_PSX"),
        ("NYSE", "New York Stock Exchange", "XNYS"),
        ("ARCA", "NYSE Arca", "ARCX NYSE_ARCA NYSEARCA"),
        ("AMERICAN", "NYSE American", "XASE AMEX NYSE_AMERICAN"),
        ("NATIONAL", "NYSE National", "XCIS NYSE_NATIONAL"),
        ("TEXAS", "NYSE Texas", "XCHI CHX NYSE_TEXAS"),
        ("BZX", "Cboe BZX", "BATS CBOE_BZX"),
        ("BYX", "Cboe BYX", "BATY CBOE_BYX"),
        ("EDGA", "Cboe EDGA", "CBOE_EDGA"),
        ("EDGX", "Cboe EDGX", "CBOE_EDGX"),
        ("IEX", "Investors Exchange", "IEXG"),
        ("MEMX", "Members Exchange", ""),
        ("PEARL", "MIAX Pearl Equities", "EPRL MIAX_PEARL"),
        ("BLUE_OCEAN", "Blue Ocean ATS", "OCEA"),
        ("TOKYO", "Tokyo Stock Exchange", "XTKS"),
    ),
    *_listing(
        AssetType.CRYPTO,
        ("KRAKEN", "Kraken spot", ""),
        ("KRAKEN_FUTURES", "Kraken Futures", ""),
        ("BINANCE", "Binance spot", ""),
        ("COINBASE", "Coinbase", ""),
        ("BITSTAMP", "Bitstamp", ""),
        ("BITFINEX", "Bitfinex", ""),
        ("GEMINI", "Gemini", ""),
        ("OKX", "OKX", ""),
        ("BYBIT", "Bybit", ""),
    ),
)
"""The exchanges that are known without being configured or having a provider."""

_FUTURE: Final = re.compile(r"(?P<root>[A-Z0-9]{1,5}?)(?P<month>[FGHJKMNQUVXZ])(?P<year>\d{1,2})")
_MONTHS: Final = {letter: calendar.month_name[number] for number, letter in enumerate("FGHJKMNQUVXZ", start=1)}
_EQUITY: Final = re.compile(r"[A-Z]{1,5}(?:[./-][A-Z]{1,2})?")
_QUOTES: Final = "USDT|USDC|FDUSD|TUSD|PYUSD|BUSD|USD|EUR|GBP|CHF|JPY|CAD|AUD|TRY|BRL|DAI|BTC|XBT|ETH|BNB"
_PAIR: Final = re.compile(rf"(?P<base>[A-Z0-9]{{2,12}})[./-]?(?P<quote>{_QUOTES})")
_PERPETUAL: Final = re.compile(r"(?:PI|PF|FI|FF)_[A-Z0-9]+USD(?:_\d{6})?")


def find_exchange(name: str, exchanges: Mapping[str, Exchange]) -> Exchange:
    """The exchange that an operator means by `name`, in `exchanges` by each name and alias.

    Raises:
        NotFoundError: there is none; the hint says what is near.
    """
    found = exchanges.get(name) or exchanges.get(exchange_key(name))
    if found is not None:
        return found
    hint = 'a name of its own comes with [routing.databento.datasets] "equity@NAME"'
    if len(name) <= MAX_NAME:
        key = exchange_key(name)
        # Comparing letter by letter is slow; who mistypes a name has about its length, and either end of it right.
        first, last, long = key[:1], key[-1:], len(key)
        alike = [
            known for known in exchanges if abs(len(known) - long) <= 2 and (known[:1] == first or known[-1:] == last)
        ]
        if near := get_close_matches(key, alike, n=3, cutoff=0.7):
            hint = f"did you mean {', '.join(near)}?"
    raise NotFoundError("no such exchange", printable(name, MAX_NAME), hint=hint)


def exchange_key(name: str) -> str:
    """`name` as exchanges are looked up: upper case, `NYSE Arca` and `nyse-arca` as `NYSE_ARCA`."""
    return name.strip().upper().replace(" ", "_").replace("-", "_")


def infer(symbol: str, exchange: Exchange | None, asked: AssetType | None) -> Asset:
    """What `symbol` is: what was `asked` for if the exchange lists it, what the exchange lists, else what its form
    says.

    Raises:
        UsageError: the exchange does not list what was asked for; or two kinds are possible, or none.
    """
    listed = tuple(AssetType) if exchange is None else exchange.asset_types
    if asked is not None:
        if exchange is not None and asked not in listed:
            lists = " and ".join(listed)
            raise UsageError(
                "not listed there", f"{asked} on {exchange.name}", hint=f"{exchange.title} lists {lists}"
            )
        listing = "" if exchange is None else f", and {exchange.name} lists {_plural(asked)}"
        return Asset(asset_type=asked, reason=f"asked for{listing}")
    if exchange is not None and len(listed) == 1:
        return Asset(asset_type=listed[0], reason=f"{exchange.name} lists {_plural(listed[0])}")
    return by_form(symbol, listed, "" if exchange is None else f"{exchange.name} lists {_joined(listed)}; ")


def by_form(symbol: str, possible: Sequence[AssetType], told: str = "") -> Asset:
    """What the form of `symbol` says, of what is `possible`; `told` is what the reason begins with.

    Raises:
        UsageError: it has the form of two, or of none.
    """
    forms = {kind: words for kind, words in _forms(symbol) if kind in possible}
    if len(forms) == 1:
        ((kind, words),) = forms.items()
        return Asset(asset_type=kind, reason=f"{told}{symbol} {words}")
    hint = "add --asset-type or --exchange"
    if not forms:
        raise UsageError(f"nothing tells whether it is {_joined(possible, 'or')}", symbol, hint=hint)
    raise UsageError(f"it may be {_joined(tuple(forms), 'or')}", symbol, hint=hint)


def _forms(symbol: str) -> list[tuple[AssetType, str]]:
    forms = []
    legs = symbol.split("-")
    outright = _FUTURE.fullmatch(legs[0])
    if outright is not None and (len(legs) == 1 or (len(legs) == 2 and _FUTURE.fullmatch(legs[1]))):
        forms.append((AssetType.FUTURES, _future_words(outright, spread=len(legs) == 2)))
    if _EQUITY.fullmatch(symbol):
        forms.append((AssetType.EQUITY, "has the form of a share"))
    if (pair := _PAIR.fullmatch(symbol)) is not None:
        forms.append((AssetType.CRYPTO, f"has the form of a pair that is paid in {pair['quote']}"))
    elif _PERPETUAL.fullmatch(symbol):
        forms.append((AssetType.CRYPTO, "has the form of a product of Kraken Futures"))
    return forms


def _future_words(found: re.Match[str], *, spread: bool) -> str:
    # Which decade a year of one digit is in changes with time; the digit does not.
    month = f"{_MONTHS[found['month']]} of a year that ends in {found['year']}"
    kind = "a spread of futures" if spread else "a future"
    return f"has the form of {kind}: root {found['root']}, {month}"


def _joined(kinds: Sequence[AssetType], word: str = "and") -> str:
    return f" {word} ".join(kinds)


def _plural(kind: AssetType) -> str:
    return "equities" if kind is AssetType.EQUITY else str(kind)
