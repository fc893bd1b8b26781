"""Symbols: the canonical grammar, and the two-way map between it and one venue's names.

A map is built from the venue's own catalogue. Nothing here guesses base and quote by cutting a name apart:
`1000SATSUSDT` and `XTZUSD` have taught everybody better.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from core.errors import NotFoundError, UsageError
from core.model.instruments import Instrument

_CANONICAL = re.compile(r"[A-Z0-9][A-Z0-9._-]{0,31}")

# Kraken's REST catalogue still says XBT and XDG where its own sockets, and everybody else, say BTC and DOGE.
ASSET_ALIASES = {"XBT": "BTC", "XDG": "DOGE"}


def canonical_asset(asset: str) -> str:
    """The common name of an asset: `XBT` is `BTC`, `XDG` is `DOGE`."""
    upper = asset.upper()
    return ASSET_ALIASES.get(upper, upper)


def parse_symbols(text: str) -> tuple[str, ...]:
    """The symbols of a comma-separated list, upper case, in order, each once.

    Raises:
        UsageError: one is empty or has characters no symbol has.
    """
    symbols = [part.strip().upper() for part in text.split(",")]
    for symbol in symbols:
        if not _CANONICAL.fullmatch(symbol.replace("/", "-")):
            raise UsageError("bad symbol", ascii(symbol)[:40], hint="write symbols like BTCUSD,ETHUSD")
    return tuple(dict.fromkeys(symbols))


def parse_symbol(text: str) -> str:
    """The one symbol that `text` is, upper case. Raises `UsageError` when it is none or several."""
    symbols = parse_symbols(text)
    if len(symbols) > 1:
        raise UsageError("bad symbol", ascii(text)[:40], hint="name one")
    return symbols[0]


class SymbolMap:
    """One venue's instruments, found by canonical symbol or by the venue's own name.

    Two instruments of a venue that claim one symbol are both left out of the lookup by that symbol and can only
    be asked for by the venue's name; asking for the symbol says so. `refused` is what the venue lists and nobody can
    stream, because it does not trade or cannot be held exactly: why, by the venue's name.
    """

    def __init__(
        self, venue: str, instruments: Iterable[Instrument], *, refused: Mapping[str, str] | None = None
    ) -> None:
        self.venue = venue
        self.refused = dict(refused or {})
        self._by_venue_symbol: dict[str, Instrument] = {}
        claims: defaultdict[str, list[Instrument]] = defaultdict(list)
        for instrument in instruments:
            self._by_venue_symbol[instrument.venue_symbol] = instrument
            claims[instrument.symbol].append(instrument)
        self._by_symbol = {symbol: owners[0] for symbol, owners in claims.items() if len(owners) == 1}
        self.ambiguous = {symbol: owners for symbol, owners in claims.items() if len(owners) > 1}

    def __len__(self) -> int:
        return len(self._by_venue_symbol)

    def instruments(self) -> tuple[Instrument, ...]:
        """Every instrument of the venue, in the catalogue's order."""
        return tuple(self._by_venue_symbol.values())

    def to_venue(self, symbol: str) -> str:
        """The venue's name of a canonical symbol. Raises `NotFoundError`."""
        return self.resolve(symbol).venue_symbol

    def to_canonical(self, venue_symbol: str) -> str:
        """The symbol of a name the venue sent. Raises `NotFoundError`."""
        instrument = self._by_venue_symbol.get(venue_symbol)
        if instrument is None:
            raise NotFoundError("no such instrument", f"{venue_symbol[:40]!a} on {self.venue}")
        return instrument.symbol

    def resolve(self, name: str) -> Instrument:
        """The instrument an operator means by `name`: a symbol, the venue's own name, or either with aliases.

        Raises:
            NotFoundError: nothing of that name, or two things; the hint lists what is near.
        """
        wanted = name.upper()
        found = self._by_symbol.get(wanted) or self._by_venue_symbol.get(wanted)
        if found is None:
            common = wanted
            for alias, asset in ASSET_ALIASES.items():
                common = common.replace(alias, asset)
            found = self._by_symbol.get(common) or self._by_venue_symbol.get(common)
        if found is not None:
            return found
        if wanted in self.ambiguous:
            names = ", ".join(owner.venue_symbol for owner in self.ambiguous[wanted])
            raise NotFoundError("ambiguous symbol", f"{name} on {self.venue}", hint=f"it may be {names}")
        near = difflib.get_close_matches(wanted, self._by_symbol, n=3, cutoff=0.6)
        hint = f"did you mean {', '.join(near)}?" if near else f"{len(self)} instruments are listed there"
        raise NotFoundError("no such symbol", f"{name} on {self.venue}", hint=hint)
