"""`symbol list`: the symbols of the settings, of this machine's catalogue and of the engines that run."""

from __future__ import annotations

import argparse
from contextlib import closing
from typing import TYPE_CHECKING, Any

from console.batch import output
from console.batch.running_feeds import running_engines, who_streams
from console.plan import expand_providers
from core.errors import UsageError
from core.model.publishers import SIMULATED_PREFIX

if TYPE_CHECKING:
    from config.paths import Paths
    from config.schema import EngineSettings
    from core.model.instruments import Instrument

Key = tuple[str, str]
"""(symbol, venue)."""


def run(arguments: argparse.Namespace) -> int:
    """Print one row a (symbol, venue), with where it is from; none is no error."""
    from config.paths import find_paths
    from console.batch.settings_options import settings_from

    paths = find_paths()
    configured = _configured(settings_from(arguments).settings.engine)
    known = {(each.symbol, each.venue): each for each in _known(paths)}
    engines = running_engines()
    for engine in engines:
        if engine.problem is not None:
            output.talk(f"{engine.instance} is shown as it was announced: {engine.problem}")
    streaming = {(symbol, venue): names for (venue, symbol), names in who_streams(engines).items()}
    rows = [
        _row(key, known.get(key), configured=key in configured, streamed_by=streaming.get(key, []))
        for key in sorted(configured | known.keys() | streaming.keys())
    ]
    output.write_rows(rows, form=arguments.format, envelope={"schema_version": 1})
    return 0


def _row(key: Key, instrument: Instrument | None, *, configured: bool, streamed_by: list[str]) -> dict[str, Any]:
    symbol, venue = key
    sources = {"settings": configured, "catalogue": instrument is not None, "engines": bool(streamed_by)}
    return {
        "symbol": symbol,
        "venue": venue,
        "venue_symbol": instrument.venue_symbol if instrument else None,
        "product": instrument.product.value if instrument else None,
        "from": ",".join(name for name, there in sources.items() if there),
        "streamed_by": ",".join(streamed_by),
    }


def _configured(engine: EngineSettings) -> set[Key]:
    # The venue's name of a provider with datasets is the dataset's, which the settings do not tell.
    try:
        sources = expand_providers(engine.provider, simulated=False)
    except UsageError as error:
        output.talk(f"engine.provider: {error}")
        return set()
    venues = [f"{SIMULATED_PREFIX * simulated}{provider.upper()}" for provider, simulated in sources]
    return {(symbol.strip().upper(), venue) for symbol in engine.symbols for venue in venues}


def _known(paths: Paths) -> list[Instrument]:
    from console.stores import catalogue_path
    from core.store.catalogue import Catalogue

    path = catalogue_path(paths.state)
    if not path.exists():  # opening makes one, and looking must not
        return []
    with closing(Catalogue(path)) as catalogue:
        return catalogue.instruments()
