"""From what an engine tells of itself in its status to instruments, and to rings that can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from console.storage import StoredRing
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from core.store.repository import SeriesKey

_FIELDS: Final = tuple(field.name for field in attrs.fields(Instrument))


def told_instruments(status: Mapping[str, Any]) -> dict[tuple[str, str], Instrument]:
    """The instruments of the `feeds` in a status, by (venue, symbol)."""
    found = {}
    for row in status.get("feeds", []):
        fields = {name: row[name] for name in _FIELDS} | {"product": Product(row["product"])}
        found[row["venue"], row["symbol"]] = Instrument(**fields)
    return found


def told_rings(status: Mapping[str, Any]) -> Iterator[StoredRing]:
    """The `rings` in a status that are there now, of all schemas."""
    instruments = told_instruments(status)
    for row in status.get("rings", []):
        path, instrument = Path(row["path"]), instruments.get((row["venue"], row["symbol"]))
        try:
            inode = path.stat().st_ino
        except OSError:
            continue  # removed by the process that made it
        if instrument is not None:
            yield StoredRing(path, inode, SeriesKey(row["venue"], row["symbol"], Schema(row["schema"])), instrument)
