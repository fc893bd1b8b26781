"""One trade at a time is stored exactly as a batch of one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from core.clock import DAY_NS
from core.model.publishers import PUBLISHERS
from core.model.records import TRADE, Schema
from core.store.postgres.batches import Known, batch_of, storable
from core.store.postgres.encoding import value_parameter
from core.store.postgres.single import one_trade
from core.store.postgres.tables import LAST_NS, table_of
from core.store.postgres.writing import Offer, facts_of
from core.store.repository import Ids, SeriesKey
from tests.conformance.ticks import T0

INSTANTS = st.sampled_from([0, 1, T0 - 1, T0, T0 + 1, LAST_NS - 1, LAST_NS, 2**64 - 1])
IDS = st.sampled_from([0, 1, 5, 2**31, 2**32 - 1, 2**32, 2**32 + 5, 2**59])


def _none_packed(day: int) -> Ids:
    return np.empty(0, np.int64)


@given(
    raw=st.binary(min_size=TRADE.itemsize, max_size=TRADE.itemsize),
    venue=st.sampled_from(["KRAKEN", "XNAS.ITCH"]),
    sound=st.booleans(),
    stamp=INSTANTS,
    newest_id=IDS,
    rows=st.sampled_from([0, 9]),
    stored_id=IDS,
    ordinal=st.sampled_from([0, 7, 2**30 + 3]),
    packed=st.booleans(),
)
def test_it_is_a_batch_of_one(
    *, raw: bytes, venue: str, sound: bool, stamp: int, newest_id: int, rows: int, stored_id: int, ordinal: int,
    packed: bool,
) -> None:  # fmt: skip
    """Whatever the record and whatever is known of the series: what it sends is what the arrays would send, and what
    the arrays would refuse, or may have stored before, it leaves to them."""
    series = SeriesKey(venue, "ANY", Schema.TRADES)
    record = np.frombuffer(raw, TRADE).copy()
    record["ts_event"] = stamp
    if sound:
        record["length"], record["rtype"] = TRADE.itemsize // 4, 0
        record["publisher_id"] = PUBLISHERS[venue].publisher_id if venue in PUBLISHERS else 2
    known = Known(
        3, rows=rows, first_ns=T0 * bool(rows), last_ns=T0 * bool(rows), newest_id=stored_id * bool(rows),
        ordinal=ordinal, packed=frozenset([T0 // DAY_NS] if packed else []),
    )  # fmt: skip
    one = one_trade(series, record.tobytes(), newest_id, known=known, writer=b"w", position=4)
    right, _ = storable(series, record)
    if not len(right):
        assert one is None
        return
    batch = batch_of(series, right, newest_id, known=known, packed=_none_packed)
    if not batch.sure or batch.days[0] in known.packed:
        assert one is None
        return
    offer = Offer(series=series, records=right, rejected=0, newest_id=newest_id, writer=b"w", position=4)
    columns = zip(table_of(Schema.TRADES).columns, batch.columns(Schema.TRADES, ordinal=ordinal), strict=True)
    assert one is not None
    assert one.parameters == [
        *facts_of(offer, known, batch, rows=1, late=batch.late_rows, duplicates=0, rejected=0),
        *(value_parameter(kind, values) for kind, values in columns),
    ]
    assert (one.day, one.result.rows, one.result.out_of_order) == (batch.days[0], 1, batch.late_rows)
    assert (one.known.rows, one.known.ordinal) == (rows + 1, ordinal + 1)
    assert (one.known.last_ns, one.known.newest_id) == (batch.last_ns, batch.newest_id)
