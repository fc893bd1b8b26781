"""What is made of the vendor's words about orders, the hostile ones included."""

from __future__ import annotations

import logging
from decimal import Decimal
from typing import Any

import pytest

from core.errors import PermanentError
from providers.databento.order_answers import read_files, read_order, read_orders

TOLD: dict[str, Any] = {
    "id": "GLBX-20240702-ABCDEFGHIJ",
    "user_id": "46PCMCVF",
    "bill_id": None,
    "cost_usd": 1.25,
    "dataset": "GLBX.MDP3",
    "symbols": "ESU4,NQU4",
    "stype_in": "raw_symbol",
    "stype_out": "instrument_id",
    "schema": "trades",
    "start": "2024-07-01T00:00:00.000000001Z",
    "end": "2024-07-02 00:00:00+00:00",
    "limit": None,
    "encoding": "dbn",
    "compression": "zstd",
    "split_duration": "day",
    "split_symbols": False,
    "delivery": "download",
    "record_count": 12,
    "billed_size": 576,
    "state": "done",
    "ts_received": "2024-07-02T01:02:03.000000Z",
}
FILE: dict[str, Any] = {
    "filename": "glbx-mdp3-20240701.trades.dbn.zst",
    "size": 100,
    "hash": f"sha256:{'0a' * 32}",
    "urls": {"https": "https://hist.databento.com/x", "ftp": "ftp://ftp.databento.com/x"},
}


@pytest.mark.parametrize("symbols", ["ESU4,NQU4", ["ESU4", "NQU4"]])
def test_an_order_is_read_exactly(symbols: object) -> None:
    """Instants to the nanosecond, money exactly, symbols in either shape."""
    (order,) = read_orders([TOLD | {"symbols": symbols}])
    request = order.request
    assert (order.order_id, order.state, order.records, order.billed_bytes) == (TOLD["id"], "done", 12, 576)
    assert (order.cost_usd, order.received_ns) == (Decimal("1.25"), 1_719_882_123_000_000_000)
    assert (request.dataset, request.schema, request.symbols) == ("GLBX.MDP3", "trades", ("ESU4", "NQU4"))
    assert (request.start_ns, request.end_ns) == (1_719_792_000_000_000_001, 1_719_878_400_000_000_000)
    assert (request.stype_in, request.limit) == ("raw_symbol", None)


@pytest.mark.parametrize("unknown", [None, "much", -1, float("nan"), float("inf"), {}, 10**30, True])
def test_an_order_is_not_lost_over_what_is_only_told(unknown: object) -> None:
    """It was paid for, whatever its cost and sizes are said to be."""
    (order,) = read_orders([TOLD | {"record_count": unknown, "billed_size": unknown}])
    assert (order.records, order.billed_bytes) == (None, None)
    (order,) = read_orders([TOLD | {"cost_usd": None if unknown == 10**30 else unknown}])
    assert order.cost_usd is None


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../x"}, {"id": None}, {"id": 7}, {"id": "x\x1b[31m"}, {"dataset": 7}, {"dataset": ""},
        {"schema": None}, {"symbols": None}, {"symbols": ""}, {"symbols": ["A", 7]}, {"symbols": "A\n,B"},
        {"symbols": "A," * 3000 + "A"}, {"start": "yesterday"}, {"start": 7}, {"end": None},
        {"end": "2024-07-01T00:00:00Z"}, {"start": "9999-99-99"}, {"limit": "few"}, {"limit": -1},
        {"ts_received": None}, {"ts_received": ""}, {"stype_in": []}, {"schema": "gossip"},
    ],
)  # fmt: skip
def test_what_is_not_understood_is_left_out(change: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """The others are read, and the log tells of it without control characters."""
    caplog.set_level(logging.WARNING, "ringside.databento")
    assert [each.order_id for each in read_orders([TOLD | change, TOLD])] == [TOLD["id"]]
    assert len(caplog.messages) == 1
    assert caplog.messages[0].isprintable()


@pytest.mark.parametrize("entry", [None, 7, "text", [], {}])
def test_entries_that_are_no_orders_are_left_out(entry: object) -> None:
    """Whatever they are."""
    assert len(read_orders([entry, TOLD])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"encoding": "csv"}, {"compression": "none"}, {"stype_out": "raw_symbol"}, {"state": "expired"},
        {"state": "lost"}, {"split_symbols": True}, {"packaging": "zip"},
    ],
)  # fmt: skip
def test_orders_of_another_kind_are_left_out(change: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Those that the account placed elsewhere, as something we do not read: that is nothing to warn of."""
    assert read_orders([TOLD | change]) == ()
    assert caplog.messages == []


@pytest.mark.parametrize("found", [None, {}, {"detail": "x"}, "text", 7])
def test_what_is_no_list_is_no_empty_one(found: object) -> None:
    """An account without orders says so; anything else would be paid for once more, or pass for an empty order."""
    for reading in (read_orders, read_files):
        with pytest.raises(TypeError):
            reading(found)


def test_a_placed_order_needs_a_name() -> None:
    """Of the answer to an order no more than that is believed; an unknown state is the first."""
    (known,) = read_orders([TOLD])
    told = {"id": TOLD["id"], "state": "odd", "ts_received": TOLD["ts_received"]}
    assert read_order(told, known.request).state == "queued"
    with pytest.raises(PermanentError):
        read_order(told | {"id": "../x"}, known.request)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("glbx-mdp3-20240701.trades.dbn.zst", 19_905),
        ("glbx-mdp3-20240701-20240731.ohlcv-1h.dbn.zst", None),
        ("xnas-itch-20240229.mbp-1.dbn.zst", 19_782),
        ("trades.dbn.zst", None),
    ],
)
def test_a_file_is_of_its_day(name: str, day: int | None) -> None:
    """As its name says; what lies beside the data is left out."""
    (file,) = read_files([FILE | {"filename": "metadata.json"}, FILE | {"filename": name}])
    assert (file.name, file.day, file.size_bytes, file.sha256) == (name, day, 100, "0a" * 32)


@pytest.mark.parametrize(
    "change",
    [
        {"filename": "../x.dbn.zst"}, {"filename": "/etc/x.dbn.zst"}, {"filename": "x.zip"}, {"filename": None},
        {"filename": "x-20249999.trades.dbn.zst"}, {"size": -1}, {"size": "1"}, {"size": 2**60}, {"size": True},
        {"hash": "md5:00"}, {"hash": None}, {"urls": {}}, {"urls": None},
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_checked_is_an_error(change: dict[str, Any]) -> None:
    """Without it the order would not be whole."""
    with pytest.raises((PermanentError, LookupError, TypeError, ValueError)):
        read_files([FILE | change])


def test_two_files_of_one_name_are_an_error() -> None:
    """One would be taken for the other."""
    with pytest.raises(ValueError, match="two files"):
        read_files([FILE, FILE])
