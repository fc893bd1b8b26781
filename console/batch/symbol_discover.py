"""`symbol discover`: what a venue lists, from the venue."""

from __future__ import annotations

import argparse
from collections import Counter
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from console.batch import output
from console.batch.venue_lists import Source, ask_venue
from console.plan import DATASET_PROVIDERS, expand_providers
from core.errors import ConsoleError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from core.model.instruments import Instrument
    from core.model.symbology import SymbolMap

PARTLY_DONE: Final = 9
Row = dict[str, Any]


def run(arguments: argparse.Namespace) -> int:
    """Print one row an instrument; 9 when one of several venues could not be asked."""
    from console.batch.settings_options import settings_from

    settings = settings_from(arguments).settings
    sources = expand_providers(arguments.provider or settings.engine.provider, simulated=arguments.simulated)
    if not arguments.symbols and any(provider in DATASET_PROVIDERS for provider, _ in sources):
        raise UsageError("an endless list", "databento", hint="name what you look for with --symbols")
    if arguments.symbols and not any(provider in DATASET_PROVIDERS for provider, _ in sources):
        raise UsageError("a list that needs no names", arguments.symbols, hint="look for some with --filter")
    lists: list[SymbolMap] = []
    failures: list[ConsoleError] = []
    for source in sources:
        try:
            lists.append(
                ask_venue(source, settings, dataset=arguments.dataset, demo=arguments.demo, symbols=arguments.symbols)
            )
        except ConsoleError as error:
            failures.append(error)
    if failures and not lists:
        raise failures[0]
    _print(lists, sources, arguments)
    for failure in failures:
        output.talk(f"left out: {failure}")
    return PARTLY_DONE if failures else 0


def _print(lists: Sequence[SymbolMap], sources: Sequence[Source], arguments: argparse.Namespace) -> None:
    streaming = _streaming()
    rows, refused = [], []
    for listed in lists:
        usable = [each for each in listed.instruments() if each.venue_symbol not in listed.refused]
        rows += [instrument_row(each, streaming) for each in usable if _is_wanted(each, arguments.filter)]
        refused += refused_rows(listed)
        output.talk(f"{listed.venue} lists {len(usable):,} instruments")
    if not rows:
        output.talk("none of them is what you look for")
    if arguments.format != "json":
        for row in refused:
            output.talk(f"{row['venue']}: {row['count']:,} left out: {row['reason']}, as {row['example']}")
    envelope = {"schema_version": 1, "providers": [provider for provider, _ in sources], "refused": refused}
    output.write_rows(rows, form=arguments.format, envelope=envelope)


def instrument_row(instrument: Instrument, streaming: Mapping[tuple[str, str], Sequence[str]]) -> Row:
    """One instrument as it is printed: increments as exact decimals, and the engines that stream it."""
    from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS
    from core.store.columns import exact

    return {
        "symbol": instrument.symbol,
        "venue": instrument.venue,
        "venue_symbol": instrument.venue_symbol,
        "base": instrument.base,
        "quote": instrument.quote,
        "settle": instrument.settle,
        "product": instrument.product.value,
        "price_decimals": instrument.price_decimals,
        "price_increment": exact(instrument.price_increment_e9, PRICE_DECIMALS),
        "quantity_decimals": instrument.quantity_decimals,
        "quantity_increment": exact(instrument.quantity_increment_e8, QUANTITY_DECIMALS),
        "streamed_by": ",".join(streaming.get((instrument.venue, instrument.symbol), ())),
    }


def refused_rows(listed: SymbolMap) -> list[Row]:
    """Why a venue's instruments cannot be streamed: one row a reason, the commonest first, with one of them."""
    examples: dict[str, str] = {}
    for name, reason in listed.refused.items():
        examples.setdefault(reason, name)
    return [
        {"venue": listed.venue, "reason": reason, "count": count, "example": examples[reason]}
        for reason, count in Counter(listed.refused.values()).most_common()
    ]


def _is_wanted(instrument: Instrument, text: str) -> bool:
    wanted = text.upper()
    pattern = wanted if set(wanted) & set("*?[") else f"*{wanted}*"
    names = (instrument.symbol, instrument.venue_symbol, instrument.product.value)
    return any(fnmatchcase(name.upper(), pattern) for name in names)


def _streaming() -> dict[tuple[str, str], list[str]]:
    from console.batch.running_feeds import running_engines, who_streams

    try:
        return who_streams(running_engines())
    except ConsoleError as error:
        output.talk(f"what is streamed cannot be told: {error}")
        return {}
