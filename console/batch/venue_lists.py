"""What venues list, asked from the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from console.batch import output
from console.batch.loops import run_quietly
from console.plan import DATASET_PROVIDERS, ProviderName
from core.errors import ConsoleError

if TYPE_CHECKING:
    from config.schema import Settings
    from core.model.symbology import SymbolMap

Source = tuple[ProviderName, bool]
"""A provider, and whether its venue is simulated."""


def ask_venue(
    source: Source, settings: Settings, *, dataset: str | None = None, demo: bool = False, symbols: str | None = None
) -> SymbolMap:
    """The list of one venue; of a provider whose list is endless what it has of `symbols`. Blocks for seconds.

    Raises:
        ConsoleError: the venue cannot be asked, or its answer cannot be used.
    """
    from console.batch.engine_plan import feed_plans
    from console.venues import fetch_catalogue

    provider, simulated = source
    described = argparse.Namespace(
        provider=provider,
        simulated=simulated,
        demo=demo,
        redundant=False,
        dataset=dataset if provider in DATASET_PROVIDERS else None,
        bars=None,
        symbols=symbols,
        recording=None,
        speed="1",
        seed=1,
        faults="",
    )
    (plan,) = feed_plans(described, settings)
    output.talk(f"asking {'the simulated ' * simulated}{provider} what it lists")
    return run_quietly(partial(fetch_catalogue, plan))


class VenueLists:
    """Looks `names` up in the lists of venues, each of which is asked once, and only when it is needed."""

    def __init__(self, settings: Settings, names: Sequence[str], *, dataset: str | None) -> None:
        self._settings = settings
        self._symbols = ",".join(names)
        self._dataset = dataset
        self._lists: dict[Source, SymbolMap | None] = {}

    def symbol_of(self, name: str, sources: Iterable[Source]) -> str | None:
        """The symbol that `name` stands for at the first of `sources`; None when none of them can be asked.

        Raises:
            NotFoundError: one of them does not have it; the hint says what is near.
        """
        lists = [listed for listed in map(self._list, sources) if listed is not None]
        found = [listed.resolve(name).symbol for listed in lists]
        return found[0] if found else None

    def _list(self, source: Source) -> SymbolMap | None:
        if source not in self._lists:
            try:
                self._lists[source] = ask_venue(source, self._settings, dataset=self._dataset, symbols=self._symbols)
            except ConsoleError as error:
                output.talk(f"not checked with {source[0]}: {error}")
                self._lists[source] = None
        return self._lists[source]
