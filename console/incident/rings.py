"""The newest records of an engine's rings: as DBN files that Databento's tools read, the last of them as text, and
books as ladders. Rings that a killed engine left are read as well: they are the best witness."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, Final

from console.incident.parts import Part
from console.incident.scene import AbsentError, Scene
from core.clock import DAY_NS, iso_ns, utc_day
from core.model.fixedpoint import PRICE_DECIMALS, QUANTITY_DECIMALS, join_quantities
from core.model.records import LEVELS, UNDEF_PRICE, Records, Schema
from core.store.columns import columns, exact, texts
from core.store.dbnheader import MappedSymbol, export_header
from core.store.repository import Numbered, SeriesKey
from core.store.segment import numbered_ids
from ringbuf import layout
from ringbuf.reader import RingReader

MOST_RECORD_BYTES: Final = 2 << 20
"""Of one ring."""
MOST_RINGS_BYTES: Final = 40 << 20
TEXT_ROWS: Final = 100
_NOT_RINGS: Final = (".lock", ".sock")


def ring_parts(scene: Scene) -> Iterator[Part]:
    """The parts of every ring: a table of all, then records, text and ladder of each, until there is enough."""
    names = sorted(_own_rings(scene).items())
    yield Part("rings/rings.json", "every ring, who writes and who reads it", lambda: _table(scene))
    left = MOST_RINGS_BYTES
    for name, number in names:
        if left <= 0:
            yield Part.missing(f"rings/{name}.dbn", "newest records", "enough of other rings is there")
            continue
        try:
            taken = _Taken(scene, name, inode=number)
        except (layout.RingError, OSError, AbsentError) as error:
            yield Part.missing(f"rings/{name}.dbn", "newest records", str(error))
            continue
        left -= taken.records.nbytes
        yield from taken.parts()


def _own_rings(scene: Scene) -> dict[str, int]:
    # By name, each segment once: one that is public has two names.
    directory = scene.place.shared_memory
    found: dict[int, str] = {}
    if not directory.is_dir():
        return {}
    for path in sorted(directory.iterdir(), reverse=True):  # public names come after those with a dot
        try:
            if path.suffix in _NOT_RINGS or path.name == "registry" or not path.is_file() or path.is_symlink():
                continue
            ring = RingReader(path)
        except (layout.RingError, OSError, ValueError):
            continue
        if ring.instance == scene.instance:
            found.setdefault(path.stat().st_ino, path.name)
        ring.close()
    return {name: number for number, name in found.items()}


def _table(scene: Scene) -> list[dict[str, Any]]:
    rows = []
    for name in _own_rings(scene):
        ring = RingReader(scene.place.shared_memory / name)
        try:
            rows.append(
                {
                    "name": name,
                    "schema": ring.schema,
                    "symbol": ring.symbol,
                    "venue": ring.venue,
                    "capacity": ring.capacity,
                    "committed": ring.committed,
                    "epoch": ring.epoch,
                    "producer_alive": ring.producer_alive,
                    "closed": ring.closed,
                    "heartbeat": iso_ns(ring.heartbeat_ns),
                    "readers": [
                        {"name": each.name, "pid": each.pid, "lag": each.lag, "lapped": each.lapped}
                        for each in ring.readers()
                    ],
                }
            )
        finally:
            ring.close()
    return rows


class _Taken:
    # The newest records of one ring, copied out of it.
    def __init__(self, scene: Scene, name: str, *, inode: int) -> None:
        path = scene.place.shared_memory / name
        probe = RingReader(path)
        known, schema_name = {schema.value: schema for schema in Schema}, probe.schema
        probe.close()
        if schema_name not in known:
            raise AbsentError(f"it holds {schema_name} records, which nobody knows")
        self.schema = known[schema_name]
        ring = RingReader(path, dtype=self.schema.dtype, from_oldest=True)
        try:
            rows = max(MOST_RECORD_BYTES // ring.record_bytes, 1)
            ring.cursor = max(ring.cursor, ring.committed - rows)
            self.records: Records = ring.pop_batch(rows)
            self.newest_id, self.series = ring.newest_id, SeriesKey(ring.venue, ring.symbol, self.schema)
        finally:
            ring.close()
        self.name = name.lstrip(".")
        self._keep_recent(scene.now_ns - scene.since_ns)

    def _keep_recent(self, wanted_ns: int) -> None:
        # Before the newest, not before now: a recording has times of its own.
        if len(self.records):
            stamps = self.records["ts_event" if self.schema.is_bars else "ts_recv"]
            first = max(int(stamps[-1]) - wanted_ns, 0)
            self.records = self.records[stamps >= first]

    def parts(self) -> Iterator[Part]:
        """Records, text and, of a book, the ladder."""
        if not len(self.records):
            yield Part.missing(f"rings/{self.name}.dbn", "newest records", "nothing was written to it yet")
            return
        count = len(self.records)
        yield Part(f"rings/{self.name}.dbn", f"the newest {count} records", self._dbn)
        yield Part(f"rings/{self.name}.csv", f"the newest {min(count, TEXT_ROWS)} as text", self._csv)
        if self.schema is Schema.BOOK:
            yield Part(f"books/{self.name}.txt", "the book as it stands", self._ladder)

    def _dbn(self) -> bytes:
        stamps = self.records["ts_event"]
        start, end = int(stamps.min()), int(stamps.max())
        numbers = sorted({int(number) for number in self.records["instrument_id"]})
        mapped = [
            MappedSymbol(
                instrument_id=number, symbol=self.series.symbol, start_day=start // DAY_NS, end_day=end // DAY_NS + 1
            )
            for number in numbers
        ]
        header = export_header(
            self.series, start_ns=start, end_ns=end + 1, first_id=self.newest_id, size_exp=None, mapped=mapped
        )
        return header + self.records.tobytes()

    def _csv(self) -> bytes:
        newest = self.records[-TEXT_ROWS:]
        ids = numbered_ids(newest, self.schema, self.newest_id)
        found = columns(Numbered(newest, ids), self.schema)
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow([column.name for column in found])
        writer.writerows(zip(*(texts(column) for column in found), strict=True))
        return lines.getvalue().encode()

    def _ladder(self) -> bytes:
        book = self.records[-1]
        when = iso_ns(int(book["ts_recv"]))
        lines = [f"{self.series.symbol} {self.series.venue} at {when} ({utc_day(int(book['ts_recv']))})", ""]
        lines.append(f"{'bid quantity':>20} {'bid':>16}   {'ask':<16} {'ask quantity':<20}")
        for level in range(LEVELS):
            bid, ask = (self._side(side, level) for side in ("bid", "ask"))
            lines.append(f"{bid[1]:>20} {bid[0]:>16}   {ask[0]:<16} {ask[1]:<20}".rstrip())
        return "\n".join([*lines, ""]).encode()

    def _side(self, side: str, level: int) -> tuple[str, str]:
        newest = self.records[-1:]
        price = int(newest[f"{side}_px_{level:02d}"][0])
        if price == UNDEF_PRICE:
            return "", ""
        low, high = newest[f"{side}_sz_{level:02d}"], newest[f"{side}_ct_{level:02d}"]
        if int(newest["publisher_id"][0]) < 61_440:  # somebody else's records count whole units
            return exact(price, PRICE_DECIMALS), str(int(low[0]))
        return exact(price, PRICE_DECIMALS), exact(int(join_quantities(low, high)[0]), QUANTITY_DECIMALS)
