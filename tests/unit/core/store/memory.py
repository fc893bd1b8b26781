"""A tick store of a few lines in memory: what export and import are tried on without any disk."""

from __future__ import annotations

import numpy as np

from core.clock import DAY_NS
from core.model.records import Records
from core.store.dedupe import full_ids
from core.store.repository import AppendResult, Ids, Numbered, SeriesKey, SeriesStats


class MemoryStore:
    """Keeps every record it is given, in the order of time; takes nothing for a duplicate."""

    def __init__(self) -> None:
        self.kept: dict[SeriesKey, Numbered] = {}
        self.appends: list[tuple[SeriesKey, int, int]] = []
        self.synced = False

    def append(self, series: SeriesKey, records: Records, newest_id: int) -> AppendResult:
        """Keep them; `appends` notes how many came with which id."""
        self.appends.append((series, len(records), newest_id))
        ids = np.zeros(len(records), np.int64)
        if newest_id:
            ids = full_ids(records["sequence"], newest_id)
        before = self.kept.get(series)
        if before is not None:
            records, ids = np.concatenate((before.records, records)), np.concatenate((before.ids, ids))
        order = np.argsort(records["ts_event"], kind="stable")
        added = len(records) - (0 if before is None else len(before.records))
        self.kept[series] = Numbered(records[order], ids[order])
        return AppendResult(rows=added)

    def put(self, series: SeriesKey, records: Records, ids: Ids | None = None) -> None:
        """Keep records with these full ids."""
        self.kept[series] = Numbered(records, np.zeros(len(records), np.int64) if ids is None else ids)

    def series(self) -> list[SeriesKey]:
        return sorted(self.kept, key=str)

    def days(self, series: SeriesKey) -> list[int]:
        found = self.kept.get(series)
        return [] if found is None else np.unique(found.records["ts_event"] // np.uint64(DAY_NS)).tolist()

    def read(self, series: SeriesKey, start_ns: int, end_ns: int) -> Records:
        return self.read_numbered(series, start_ns, end_ns).records

    def read_numbered(self, series: SeriesKey, start_ns: int, end_ns: int) -> Numbered:
        found = self.kept[series]
        stamps = found.records["ts_event"]
        mask = (stamps >= np.uint64(start_ns)) & (stamps < np.uint64(end_ns))
        return Numbered(found.records[mask], found.ids[mask])

    def latest(self, series: SeriesKey, rows: int = 1) -> Records:
        return self.kept[series].records[-rows:]

    def sync(self) -> None:
        self.synced = True

    def stats(self) -> list[SeriesStats]:
        return []

    def close(self) -> None:
        self.sync()
