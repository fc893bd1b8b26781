"""What one append comes to: which records go in, what tells each of them apart, and what is known before asking.

Pure arithmetic over arrays; the server has the last word on what it already holds.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import numpy as np

from core.clock import DAY_NS
from core.model.records import Records, Schema
from core.store.batch import days_of, late_ones
from core.store.dedupe import Mask
from core.store.postgres.encoding import Values
from core.store.postgres.tables import LAST_NS, digest_identities, ordinal_identities, table_of, to_columns
from core.store.repository import Ids, SeriesKey
from core.store.segment import acceptable, expected_head, identities, marked, rejections

Refused = dict[str, Records]
"""Records that may not be stored, by the reason why not."""


@attrs.define
class Known:
    """The row of a series as it was when it was last seen, and the days of it that are packed."""

    series_id: int
    rows: int = 0
    duplicates: int = 0
    out_of_order: int = 0
    rejected: int = 0
    first_ns: int = 0
    last_ns: int = 0
    newest_id: int = 0
    ordinal: int = 0
    writer: bytes = b""
    position: int = 0
    packed: frozenset[int] = frozenset()


@attrs.frozen
class Batch:
    """Records (contiguous) to store of which no two are the same, with their identities, and `late` where some are
    older than what came before them. `duplicates` were dropped already.

    `sure` says that no stored row can be one of them, as far as the series' row tells. The instants and `newest_id`
    are those of the series once they are stored.
    """

    records: Records
    identities: Ids
    late: Mask | None
    sure: bool
    duplicates: int
    first_ns: int
    last_ns: int
    newest_id: int
    days: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def late_rows(self) -> int:
        """How many are late."""
        return 0 if self.late is None else int(self.late.sum())

    def columns(self, schema: Schema, *, ordinal: int, start: int = 0, end: int | None = None) -> tuple[Values, ...]:
        """The columns of those from `start` to `end`, where the first of all has `ordinal`."""
        some = self.records[start:end]
        ordinals = np.arange(ordinal + start, ordinal + start + len(some), dtype=np.int64)
        return to_columns(schema, some, self.identities[start:end], ordinals)


def storable(series: SeriesKey, records: Records) -> tuple[Records, Refused]:
    """Those of `records` (contiguous) that may be stored in a series, and the others by the reason why not."""
    head = expected_head(series)
    refused: Refused = {}
    right = acceptable(records, head)
    if right is not None:
        refused = rejections(records[~right], head)
        records = records[right]
    if len(records) and int(records["ts_event"].max()) >= LAST_NS:
        beyond = records["ts_event"] >= np.uint64(LAST_NS)
        refused["time out of range"] = np.concatenate(
            (refused.get("time out of range", records[:0]), records[beyond])
        )
        records = records[~beyond]
    if series.schema.is_bars and len(records):
        beyond = records["volume"] >= np.uint64(2**63)
        if beyond.any():
            refused["volume out of range"] = records[beyond]
            records = records[~beyond]
    return records, refused


def batch_of(
    series: SeriesKey,
    records: Records,
    newest_id: int,
    *,
    known: Known,
    packed: Callable[[int], Ids],
) -> Batch:
    """What to store of `records`, at least one, all of them storable. `packed` gives the identities that a packed day
    holds, whose rows the server cannot compare with."""
    schema, stamps = series.schema, records["ts_event"]
    late = late_ones(stamps, known.last_ns)
    days = days_of(stamps, late) if table_of(schema).partitioned else []
    marks: Mask | None = None
    ids = identities(records, schema, newest_id or known.newest_id)
    newest = known.newest_id
    if ids is None:
        keys, sure, keep = ordinal_identities(records, known.ordinal), True, None
    else:
        marks = marked(records, schema)
        highest = known.last_ns if schema.is_bars else known.newest_id
        ascending = marks is None and _ascends(ids)
        sure = ascending and (known.rows == 0 or int(ids[0]) > highest)
        if not schema.is_bars:
            plain = ids if marks is None else ids[~marks]
            if len(plain):
                newest = max(newest, int(plain[-1] if ascending else plain.max()))
        if marks is not None:
            ids = ids.copy()
            ids[marks] = digest_identities(records[marks])
        keys = ids
        keep = None if ascending else _first_ones(stamps.view(np.int64), keys)
        keep = _without(keep, keys, stamps, days=[day for day in days if day in known.packed], packed=packed)
    lowest, top = (stamps[0], stamps[-1]) if late is None else (stamps.min(), stamps.max())
    offered = len(records)
    if keep is not None:
        records, keys = records[keep], keys[keep]
        late = None if late is None else late[keep]
    return Batch(
        records=records,
        identities=keys,
        late=late if late is not None and late.any() else None,
        sure=sure,
        duplicates=offered - len(records),
        first_ns=min(known.first_ns, int(lowest)) if known.rows else int(lowest),
        last_ns=max(known.last_ns, int(top)),
        newest_id=newest,
        days=tuple(days),
    )


def _ascends(ids: Ids) -> bool:
    return len(ids) == 1 or bool((ids[1:] > ids[:-1]).all())


def _first_ones(stamps: Ids, keys: Ids) -> Mask | None:
    # Of rows with the same instant and identity the first; None when there are no such rows.
    order = np.lexsort((keys, stamps))
    same = (stamps[order][1:] == stamps[order][:-1]) & (keys[order][1:] == keys[order][:-1])
    if not same.any():
        return None
    keep = np.ones(len(keys), np.bool_)
    keep[order[1:][same]] = False
    return keep


def _without(
    keep: Mask | None, keys: Ids, stamps: Values, *, days: list[int], packed: Callable[[int], Ids]
) -> Mask | None:
    # `keep` without what the packed ones of `days` hold.
    for day in days:
        chosen = days_in(stamps) == day
        stored = np.zeros(len(keys), np.bool_)
        stored[chosen] = np.isin(keys[chosen], packed(day))
        if stored.any():
            keep = ~stored if keep is None else keep & ~stored
    return keep


def days_in(stamps: Values) -> Values:
    """The day since the epoch of each instant."""
    return stamps.view(np.int64) // DAY_NS
