"""Runs commands in this process and fills stores for them."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from console.__main__ import main
from core.model.instruments import Instrument
from core.model.records import Records
from core.store.catalogue import Catalogue
from core.store.embedded import EmbeddedTickStore
from core.store.repository import SeriesKey, TickStore


@attrs.frozen
class Done:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The object that was printed."""
        return json.loads(self.out)


class Console:
    """Runs `ringside --batch` with this test's home."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> Done:
        self._capsys.readouterr()
        try:
            code = main(["--batch", *arguments])
        except SystemExit as ended:  # argparse
            code = int(ended.code or 0)
        printed = self._capsys.readouterr()
        return Done(code, printed.out, printed.err)


def home() -> Path:
    """Where this test's Ringside keeps everything."""
    return Path(os.environ["RINGSIDE_HOME"])


def ticks_directory() -> Path:
    """Where the embedded store of this test is."""
    return home() / "data" / "ticks"


def catalogue_path() -> Path:
    """Where its catalogue is."""
    return home() / "state" / "catalogue.sqlite3"


def fill(*batches: tuple[SeriesKey, Records, int], instruments: tuple[Instrument, ...] = ()) -> None:
    """Store batches of (series, records, newest id) in the embedded store of this test."""
    with closing(Catalogue(catalogue_path())) as catalogue:
        catalogue.describe(instruments)
        with closing(EmbeddedTickStore(ticks_directory(), catalogue)) as store:
            append_all(store, *batches)


def append_all(store: TickStore, *batches: tuple[SeriesKey, Records, int]) -> None:
    """Store batches of (series, records, newest id)."""
    for series, records, newest_id in batches:
        assert store.append(series, records, newest_id).rejected == 0
    store.sync()
