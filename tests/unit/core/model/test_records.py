"""The record layouts are Databento's, byte for byte."""

from __future__ import annotations

from typing import Any

import databento_dbn
import numpy as np
import pytest

from core.model import records

PAIRS = [
    (databento_dbn.TradeMsg, records.TRADE),
    (databento_dbn.MBP1Msg, records.MBP1),
    (databento_dbn.BBOMsg, records.BBO),
    (databento_dbn.MBP10Msg, records.MBP10),
    (databento_dbn.MBOMsg, records.MBO),
    (databento_dbn.OHLCVMsg, records.OHLCV),
]


@pytest.mark.parametrize(("theirs", "ours"), PAIRS, ids=lambda value: getattr(value, "__name__", ""))
def test_every_field_stands_where_databento_has_it(theirs: type, ours: np.dtype[np.void]) -> None:
    """Name, type and offset of each field agree with the reference codec's own dtype."""
    reference: Any = np.dtype(theirs._dtypes)  # type: ignore[attr-defined]
    assert ours.names == reference.names
    for name in ours.names or ():
        assert (ours[name], ours.fields[name][1]) == (reference[name], reference.fields[name][1]), name  # type: ignore[index]
    assert ours.itemsize == reference.itemsize


@pytest.mark.parametrize(
    ("layout", "dtype"),
    [
        (records.TRADE_STRUCT, records.TRADE),
        (records.MBP1_STRUCT, records.MBP1),
        (records.MBP10_STRUCT, records.MBP10),
    ],
)
def test_packed_records_read_back_field_by_field(layout: object, dtype: np.dtype[np.void]) -> None:
    """A record packed with the struct has each value in the field of the dtype at the same position."""
    names = dtype.names or ()
    values = [b"B" if dtype[name].kind == "S" else number + 1 for number, name in enumerate(names)]
    packed = layout.pack(*values)  # type: ignore[attr-defined]
    record = np.frombuffer(packed, dtype)[0]
    assert [record[name] for name in names] == values


def test_levels_view_covers_the_same_bytes() -> None:
    """The array-of-levels view of a book has the flat fields' values in level order."""
    book = np.zeros(1, records.MBP10)
    book["bid_px_03"], book["ask_ct_09"] = 7, 9
    levels = book.view(records.MBP10_LEVELS)["levels"][0]
    assert (levels["bid_px"][3], levels["ask_ct"][9]) == (7, 9)


def test_a_record_is_what_databento_encodes() -> None:
    """A trade made by the reference codec decodes to the same numbers through our dtype."""
    theirs = databento_dbn.TradeMsg(
        publisher_id=61441, instrument_id=7, ts_event=1, price=2, size=3, action=databento_dbn.Action.TRADE,  # type: ignore[arg-type]

        side=databento_dbn.Side.BID,  # type: ignore[arg-type]
        depth=0, ts_recv=4, flags=128, ts_in_delta=5, sequence=6,
    )  # fmt: skip
    ours = np.frombuffer(bytes(theirs), records.TRADE)[0]
    assert ours["length"] == 12
    assert ours["rtype"] == records.RTYPE_TRADE
    assert [ours[name] for name in ("price", "size", "ts_recv", "ts_in_delta", "sequence")] == [2, 3, 4, 5, 6]
    assert (ours["action"], ours["side"]) == (b"T", b"B")


def test_schemas_know_their_records() -> None:
    """Every schema has the dtype whose size DBN gives it."""
    assert [schema.dtype.itemsize for schema in records.Schema] == [48, 80, 368, 56, 56, 56, 56]
