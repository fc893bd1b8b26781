"""The instruments the simulated venue offers: well-known pairs with plausible prices, digits and activity.

Prices are a picture of no particular day. Both protocols offer the same markets, each under its own names.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import attrs

from core.errors import NotFoundError


class Activity(enum.Enum):
    """How often something happens in a market; the value is changes a second on average."""

    BUSY = 14.0
    NORMAL = 5.0
    QUIET = 0.08


@attrs.frozen(kw_only=True)
class Listing:
    """One market: its names, its digits, and where its generated prices begin.

    `start_ticks` is a price in units of 10**-price_decimals, `typical_units` a trade's size in units of
    10**-quantity_decimals.
    """

    base: str
    kraken_quote: str
    binance_quote: str
    price_decimals: int
    quantity_decimals: int
    start_ticks: int
    typical_units: int
    changes_per_s: float

    @property
    def kraken_name(self) -> str:
        """The name on Kraken's sockets, as `BTC/USD`."""
        return f"{self.base}/{self.kraken_quote}"

    @property
    def binance_name(self) -> str:
        """The name in Binance's payloads, as `BTCUSDT`."""
        return f"{self.base}{self.binance_quote}"

    @property
    def futures_names(self) -> tuple[str, ...]:
        """Kraken Futures' products of this market, the inverse perpetual first; none but of dollar markets."""
        if self.kraken_quote != "USD":
            return ()
        base = "XBT" if self.base == "BTC" else self.base
        return f"PI_{base}USD", f"PF_{base}USD"

    @property
    def symbol(self) -> str:
        """The canonical name of the pair on Kraken, as `BTCUSD`; every market has one of its own."""
        return f"{self.base}{self.kraken_quote}"

    def quantity_e8(self, units: int) -> int:
        """`units` of this market's smallest quantity at 1e-8."""
        return units * int(10 ** (8 - self.quantity_decimals))

    def price_text(self, ticks: int) -> str:
        """The price as this venue prints it, with the pair's own number of decimals."""
        return decimal_text(ticks, decimals=self.price_decimals)

    def quantity_text(self, units: int) -> str:
        """The quantity with the pair's own number of decimals."""
        return decimal_text(units, decimals=self.quantity_decimals)


def decimal_text(number: int, *, decimals: int) -> str:
    """`number` / 10**decimals written out with exactly that many decimals."""
    if decimals == 0:
        return str(number)
    digits = str(number).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def eight_decimals(number: int, *, decimals: int) -> str:
    """`number` / 10**decimals with the eight decimals Binance prints whatever the pair."""
    return decimal_text(number * int(10 ** (8 - decimals)), decimals=8)


# base, Kraken's quote, Binance's quote, price, price decimals, typical size, quantity decimals, activity, pace
_Row = tuple[str, str, str, str, int, str, int, Activity, float]
_B, _N, _Q = Activity.BUSY, Activity.NORMAL, Activity.QUIET
_ROWS: Final[tuple[_Row, ...]] = (
    ("BTC", "USD", "USDT", "64210.5", 1, "0.05", 8, _B, 2.2),
    ("ETH", "USD", "USDT", "3105.42", 2, "0.8", 8, _B, 1.6),
    ("SOL", "USD", "USDT", "148.31", 2, "12", 8, _B, 1.0),
    ("XRP", "USD", "USDT", "0.58231", 5, "900", 8, _B, 1.0),
    ("DOGE", "USD", "USDT", "0.1241130", 7, "4000", 8, _N, 1.5),
    ("ADA", "USD", "USDT", "0.412345", 6, "1500", 8, _N, 1.0),
    ("LINK", "USD", "USDT", "13.87520", 5, "40", 8, _N, 1.0),
    ("LTC", "USD", "USDT", "72.41", 2, "6", 8, _N, 1.0),
    ("AVAX", "USD", "USDT", "27.63", 2, "20", 8, _N, 0.8),
    ("DOT", "USD", "USDT", "6.2140", 4, "90", 8, _Q, 1.0),
    ("MINA", "USD", "USDT", "0.5631", 4, "700", 8, _Q, 0.6),
    ("KAVA", "USD", "USDT", "0.4127", 4, "500", 8, _Q, 0.4),
    ("BTC", "EUR", "EUR", "59310.2", 1, "0.03", 8, _N, 1.5),
    ("ETH", "EUR", "EUR", "2868.15", 2, "0.5", 8, _N, 1.0),
    ("ETH", "BTC", "BTC", "0.04836", 5, "1.2", 8, _N, 1.0),
    ("SOL", "EUR", "EUR", "136.94", 2, "8", 8, _N, 0.6),
    ("XRP", "EUR", "EUR", "0.53712", 5, "600", 8, _N, 0.6),
    ("ADA", "EUR", "EUR", "0.380812", 6, "900", 8, _Q, 1.0),
    ("LTC", "BTC", "BTC", "0.001128", 6, "4", 8, _Q, 1.0),
    ("SOL", "BTC", "BTC", "0.0023098", 7, "6", 8, _Q, 1.0),
    ("SHIB", "USD", "USDT", "0.00001742", 8, "3000000", 5, _N, 0.8),
    ("PEPE", "USD", "USDT", "0.00001012", 8, "8000000", 5, _N, 0.8),
    ("BONK", "USD", "USDT", "0.00002431", 8, "2000000", 5, _Q, 1.0),
    ("FLOKI", "USD", "USDT", "0.00014120", 8, "400000", 5, _Q, 1.0),
    ("TRX", "USD", "USDT", "0.121040", 6, "5000", 8, _N, 0.6),
    ("BCH", "USD", "USDT", "381.22", 2, "1", 8, _N, 0.6),
    ("ETC", "USD", "USDT", "22.413", 3, "15", 8, _Q, 1.0),
    ("XLM", "USD", "USDT", "0.098231", 6, "3000", 8, _Q, 1.0),
    ("XMR", "USD", "USDT", "158.24", 2, "2", 8, _Q, 1.0),
    ("ZEC", "USD", "USDT", "31.87", 2, "6", 8, _Q, 1.0),
    ("ATOM", "USD", "USDT", "6.7142", 4, "60", 8, _Q, 1.0),
    ("UNI", "USD", "USDT", "7.913", 3, "50", 8, _N, 0.5),
    ("AAVE", "USD", "USDT", "98.11", 2, "3", 8, _N, 0.5),
    ("NEAR", "USD", "USDT", "5.231", 3, "80", 8, _N, 0.5),
    ("APT", "USD", "USDT", "6.9210", 4, "50", 8, _Q, 1.0),
    ("ARB", "USD", "USDT", "0.7321", 4, "500", 8, _Q, 1.0),
    ("OP", "USD", "USDT", "1.8214", 4, "200", 8, _Q, 1.0),
    ("SUI", "USD", "USDT", "0.8123", 4, "600", 8, _N, 0.7),
    ("SEI", "USD", "USDT", "0.34120", 5, "900", 8, _Q, 1.0),
    ("INJ", "USD", "USDT", "23.514", 3, "15", 8, _Q, 1.0),
    ("TIA", "USD", "USDT", "5.8121", 4, "60", 8, _Q, 1.0),
    ("FIL", "USD", "USDT", "4.213", 3, "80", 8, _Q, 1.0),
    ("ICP", "USD", "USDT", "8.412", 3, "40", 8, _Q, 1.0),
    ("ALGO", "USD", "USDT", "0.14021", 5, "2500", 8, _Q, 1.0),
    ("XTZ", "USD", "USDT", "0.7815", 4, "400", 8, _Q, 1.0),
    ("EOS", "USD", "USDT", "0.5723", 4, "600", 8, _Q, 1.0),
    ("GRT", "USD", "USDT", "0.19412", 5, "1800", 8, _Q, 1.0),
    ("SAND", "USD", "USDT", "0.3012", 4, "1200", 8, _Q, 1.0),
    ("MANA", "USD", "USDT", "0.31240", 5, "1100", 8, _Q, 1.0),
    ("AXS", "USD", "USDT", "5.4120", 4, "60", 8, _Q, 1.0),
    ("CRV", "USD", "USDT", "0.2914", 4, "1300", 8, _Q, 1.0),
    ("COMP", "USD", "USDT", "46.12", 2, "6", 8, _Q, 1.0),
    ("MKR", "USD", "USDT", "2413.10", 2, "0.1", 8, _Q, 1.0),
    ("SNX", "USD", "USDT", "1.521", 3, "200", 8, _Q, 1.0),
    ("YFI", "USD", "USDT", "5312.1", 1, "0.05", 8, _Q, 1.0),
    ("SUSHI", "USD", "USDT", "0.612", 3, "500", 8, _Q, 1.0),
    ("ENJ", "USD", "USDT", "0.15213", 5, "2000", 8, _Q, 1.0),
    ("CHZ", "USD", "USDT", "0.05412", 5, "6000", 8, _Q, 1.0),
    ("BAT", "USD", "USDT", "0.17321", 5, "1800", 8, _Q, 1.0),
    ("FET", "USD", "USDT", "1.2134", 4, "300", 8, _Q, 1.0),
    ("RENDER", "USD", "USDT", "6.1230", 4, "60", 8, _Q, 1.0),
)


def _units(text: str, decimals: int) -> int:
    whole, _, fraction = text.partition(".")
    return int(whole + fraction.ljust(decimals, "0"))


def _listing(row: _Row) -> Listing:
    base, kraken_quote, binance_quote, price, price_decimals, size, quantity_decimals, activity, pace = row
    return Listing(
        base=base,
        kraken_quote=kraken_quote,
        binance_quote=binance_quote,
        price_decimals=price_decimals,
        quantity_decimals=quantity_decimals,
        start_ticks=_units(price, price_decimals),
        typical_units=_units(size, quantity_decimals),
        changes_per_s=activity.value * pace,
    )


UNIVERSE: Final[tuple[Listing, ...]] = tuple(map(_listing, _ROWS))
"""Every market, the best known first."""

DEFAULT_SYMBOLS: Final[tuple[str, ...]] = tuple(listing.symbol for listing in UNIVERSE[:12])
"""The twelve markets a demonstration shows, by their `Listing.symbol`: from the busiest to the nearly silent."""


def find_listings(names: Iterable[str]) -> tuple[Listing, ...]:
    """The listings of `names`, each in Kraken's, Kraken Futures', Binance's or the canonical spelling.

    Raises:
        NotFoundError: the simulated venue has no such market.
    """
    known = {
        alias: each
        for each in UNIVERSE
        for alias in (each.binance_name, *each.futures_names, each.kraken_name, each.symbol)
    }
    found: dict[str, Listing] = {}
    for name in names:
        listing = known.get(name.upper())
        if listing is None:
            raise NotFoundError("the simulated venue has no such market", ascii(name)[:40])
        found[listing.symbol] = listing
    return tuple(found.values())
