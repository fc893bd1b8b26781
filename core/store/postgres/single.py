"""One new trade at a time: what a batch of one comes to, without the seventy array operations that cost more than the
server takes. Whatever is not ordinary is left to the arrays."""

from __future__ import annotations

import functools
from typing import Final

import attrs

from core.clock import DAY_NS
from core.model.fixedpoint import OWN_PUBLISHERS
from core.model.records import TRADE_STRUCT, Schema
from core.store.postgres.batches import Known
from core.store.postgres.encoding import big, small
from core.store.postgres.statements import insert_new
from core.store.postgres.tables import LAST_NS, ordinal_identity, table_of
from core.store.repository import AppendResult, SeriesKey
from core.store.segment import expected_head

INSERT_ONE: Final = insert_new(table_of(Schema.TRADES), single=True, advance=False)
_LOW: Final = 0xFFFF_FFFF
_head = functools.lru_cache(maxsize=4096)(expected_head)


@attrs.frozen
class One:
    """The parameters of `INSERT_ONE`, and what is so once it has stored its row."""

    parameters: list[bytes]
    day: int
    result: AppendResult
    known: Known


def one_trade(
    series: SeriesKey, record: bytes, newest_id: int, *, known: Known, writer: bytes, position: int
) -> One | None:
    """How to store one trade; None when it is rejected, may be a duplicate, or its day is packed."""
    (length, rtype, publisher, instrument, ts_event, price, size, action, side, flags, depth, ts_recv, delta,
     sequence) = TRADE_STRUCT.unpack(record)  # fmt: skip
    value, mask = _head(series)
    own = publisher >= OWN_PUBLISHERS
    if (length | rtype << 8 | publisher << 16) & mask != value or (own and mask == 0xFFFF):
        return None
    reference, day = newest_id or known.newest_id, ts_event // DAY_NS
    if not 0 < ts_event < LAST_NS or day in known.packed:
        return None
    newest = known.newest_id
    if reference:
        identity = reference + ((sequence - reference + 2**31) & _LOW) - 2**31  # the nearest to the reference
        if known.rows and identity <= newest:
            return None
        newest = max(newest, identity)
    else:
        identity = ordinal_identity(known.ordinal, sequence)
    late = int(ts_event < known.last_ns)
    first_ns = min(known.first_ns, ts_event) if known.rows else ts_event
    last_ns = max(known.last_ns, ts_event)
    parameters = [
        small(known.series_id), big(known.ordinal), big(1), big(0), big(late), big(0), big(first_ns), big(last_ns),
        big(newest), writer, big(position), instrument.to_bytes(4, "big"), small(0 if own else delta),
        big(ts_event), big(identity), ts_recv.to_bytes(8, "big"), big(price),
        (size | (delta & _LOW) << 32 if own else size).to_bytes(8, "big"),
        big(publisher << 32 | action[0] << 24 | side[0] << 16 | flags << 8 | depth),
    ]  # fmt: skip
    after = Known(
        known.series_id, known.rows + 1, known.duplicates, known.out_of_order + late, known.rejected, first_ns,
        last_ns, newest, known.ordinal + 1, writer, position, known.packed,
    )  # fmt: skip
    return One(parameters, day, AppendResult(rows=1, out_of_order=late), after)
