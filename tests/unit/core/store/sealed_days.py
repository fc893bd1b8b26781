"""A store with a closed day, for the tests of what is done to closed days."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Final

import attrs

from core.model.records import Records, Schema
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import SeriesKey
from core.store.serieslog import CatalogueChanges
from tests.conformance.ticks import T0, TRADES

EVER: Final = 2**64 - 1
DAY: Final = T0 // 86_400_000_000_000
BARS: Final = SeriesKey("KRAKEN", "BTCUSD", Schema.BARS_1M)


@attrs.define
class Home:
    """A directory with a store and its catalogue, which can be opened again as after a restart."""

    path: Path
    catalogue: Catalogue = attrs.field(init=False)
    store: EmbeddedTickStore = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.catalogue = Catalogue(self.path / "catalogue.sqlite3")
        self.store = EmbeddedTickStore(self.ticks, self.catalogue)

    @property
    def ticks(self) -> Path:
        """The directory of the store."""
        return self.path / "ticks"

    def folder(self, series: SeriesKey = TRADES) -> Path:
        """The directory of a series."""
        return self.ticks / series.venue / series.symbol / series.schema.value

    def names(self, series: SeriesKey = TRADES) -> list[str]:
        """The files of a series."""
        return sorted(path.name for path in self.folder(series).iterdir())

    def reopen(self, *, orderly: bool = True) -> EmbeddedTickStore:
        """The store after a restart; not `orderly` is after a crash, with what the disk has by then."""
        if orderly:
            self.store.close()
        else:
            self.store._logs.close()
            self.store._logs.changes = CatalogueChanges(self.catalogue)
            self.store.close()
        self.store = EmbeddedTickStore(self.ticks, self.catalogue)
        return self.store

    def close(self) -> None:
        """Let go of everything."""
        self.store.close()
        self.catalogue.close()


def read_by_databento(path: Path) -> Records:
    """What Databento's own client finds in a file."""
    return ask_databento(path)[0]


def ask_databento(path: Path) -> tuple[Records, tuple[str, str, list[str]]]:
    """What Databento's own client finds in a file: the records, and whose dataset, which schema and symbols."""
    # The client warns of pandas' plans and leaves files to the garbage collector; neither is ours to mend.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import databento

        warnings.simplefilter("ignore")  # importing pandas added filters of its own
        found = databento.DBNStore.from_file(path)
        records, facts = found.to_ndarray(), (found.dataset, str(found.schema), found.symbols)
        assert len(found.to_df()) == len(records)
        del found
        gc.collect()
    return records, facts
