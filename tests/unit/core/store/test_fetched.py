"""What the catalogue's book of fetched stretches does beside what every such book does."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from core.errors import ConfigurationError, ConsoleError
from core.model.records import Schema
from core.store.fetched import BOUGHT, CatalogueFetched, Fetched
from core.store.repository import SeriesKey

ONE = Fetched(
    series=SeriesKey("KRAKEN", "BTCUSD", Schema.TRADES), start_ns=1, end_ns=9, rows=3, source=BOUGHT, noted_ns=5
)


def test_it_may_be_read_beside_a_writer(tmp_path: Path) -> None:
    """Whoever only reads sees what was marked, and may not mark anything."""
    path = tmp_path / "catalogue.sqlite3"
    writer = CatalogueFetched(path)
    reader = CatalogueFetched(path, read_only=True)
    writer.mark([ONE])
    assert reader.fetched() == [ONE]
    with pytest.raises(ConsoleError):
        reader.mark([attrs.evolve(ONE, start_ns=20, end_ns=30)])
    assert writer.fetched() == [ONE]
    reader.close()
    writer.close()


def test_a_reader_makes_no_catalogue(tmp_path: Path) -> None:
    """Where there is none, reading is an error and leaves nothing behind."""
    with pytest.raises(ConfigurationError):
        CatalogueFetched(tmp_path / "catalogue.sqlite3", read_only=True)
    assert list(tmp_path.iterdir()) == []
