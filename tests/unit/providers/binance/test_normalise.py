"""Binance's frames as structures and as records."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from core.model.fixedpoint import FixedPointError
from core.model.records import F_LAST, F_PUBLISHER_SPECIFIC, F_TOB, MBP1, TRADE, UNDEF_PRICE
from providers.binance.normalise import (
    decode_control,
    decode_depth,
    decode_quote,
    decode_snapshot,
    decode_trade,
    quote_record,
    read_trades,
)
from providers.venue.packing import pack_trades
from tests.unit.providers.binance.support import depth, instrument, quote, recorded, trade

SNAPSHOT = {"lastUpdateId": 5, "bids": [["1.0", "2.0"]], "asks": [["1.1", "2.0"]]}
DECODERS: list[tuple[Callable[[str], object], dict[str, Any]]] = [
    (decode_trade, trade(1)),
    (decode_quote, quote(1)),
    (decode_depth, depth(1, 2, b=[["1.0", "2.0"]], a=[["1.1", "0.0"]])),
    (decode_snapshot, SNAPSHOT),
]


@pytest.mark.parametrize(("decode", "frame"), DECODERS)
def test_a_frame_cut_anywhere_is_refused(decode: Callable[[str], object], frame: dict[str, Any]) -> None:
    """Every proper prefix of a frame raises the decoder's error, and nothing else."""
    text = json.dumps(frame)
    decode(text)
    for end in range(len(text)):
        with pytest.raises(msgspec.MsgspecError):
            decode(text[:end])


@pytest.mark.parametrize(("decode", "frame"), DECODERS)
def test_unknown_fields_are_passed_over(decode: Callable[[str], object], frame: dict[str, Any]) -> None:
    """Fields that the venue may add change nothing."""
    more = {"new": {"x": [1]}, **frame, "other": None}
    if "data" in more:
        more["data"] = {"zz": 1.5, **more["data"], "nn": {"b": None}}
    assert decode(json.dumps(more)) == decode(json.dumps(frame))


@pytest.mark.parametrize(
    "changes",
    [
        {"t": -1}, {"t": 2**70}, {"t": "1"}, {"t": 1.5}, {"T": 2**62}, {"T": -1}, {"p": 1.5}, {"p": None},
        {"q": 2}, {"m": 1}, {"m": None}, {"e": "aggTrade"}, {"s": 5},
    ],
)  # fmt: skip
def test_numbers_beyond_their_fields_are_refused(changes: dict[str, object]) -> None:
    """What does not fit the record's fields, or is of another type, never gets past the decoder."""
    with pytest.raises(msgspec.ValidationError):
        decode_trade(json.dumps(trade(1, **changes)))


def test_a_control_frame_cut_anywhere_is_refused() -> None:
    """Prefixes of an answer raise too."""
    text = '{"result":null,"id":1}'
    assert decode_control(text).result is None
    for end in range(len(text)):
        with pytest.raises(msgspec.MsgspecError):
            decode_control(text[:end])


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('{"code":2,"msg":"Invalid request: x","id":4}', 2, "Invalid request: x"),
        ('{"error":{"code":3,"msg":"Invalid JSON"},"id":null}', 3, "Invalid JSON"),
    ],
)
def test_both_shapes_of_a_refusal_are_read(text: str, code: int, words: str) -> None:
    """Refusals at the top and within `error` mean the same."""
    refusal = decode_control(text).refusal
    assert refusal is not None
    assert (refusal.code, refusal.msg) == (code, words)


def test_an_answer_is_no_refusal() -> None:
    """An answer and an event have no refusal in them."""
    assert decode_control('{"result":null,"id":1}').refusal is None
    assert (
        decode_control('{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1}}').event == "serverShutdown"
    )
    assert decode_control('{"e":"serverShutdown","E":1}').event == "serverShutdown"


def test_the_side_is_the_aggressors() -> None:
    """A resting buyer means that the seller came; otherwise the buyer came."""
    for rests, side in ((True, b"A"), (False, b"B")):
        event = decode_trade(json.dumps(trade(2**32 + 7, m=rests))).data
        record = np.frombuffer(pack_trades(instrument(), read_trades([event]), [6]), TRADE)[0]
        assert record["side"] == side
        assert record["sequence"] == 7
        assert (record["ts_event"], record["ts_recv"]) == (1_000_000, 6)
        assert (record["price"], record["size"], record["flags"]) == (61_837_630_000_000, 2_000_000, F_LAST)


def test_a_large_trade_uses_both_words() -> None:
    """A quantity beyond 32 bits at 1e-8 keeps its high word beside, and says so in the flags."""
    event = decode_trade(json.dumps(trade(1, q="74198.19125726"))).data
    record = np.frombuffer(pack_trades(instrument(), read_trades([event]), [6]), TRADE)[0]
    assert int(record["size"]) + (int(record["ts_in_delta"]) << 32) == 7_419_819_125_726
    assert record["flags"] == F_LAST | F_PUBLISHER_SPECIFIC


@pytest.mark.parametrize(
    "changes",
    [
        {"p": "0"}, {"p": "-1"}, {"q": "0.0"}, {"q": "-1"}, {"p": "1e-10"}, {"q": "0.000000001"}, {"p": "NaN"},
        {"p": ""}, {"p": "1e30"}, {"q": "99999999999999"},
    ],
)  # fmt: skip
def test_trades_whose_numbers_do_not_fit_are_refused(changes: dict[str, str]) -> None:
    """Finer than we hold, too large, not above zero or no number at all: an error, never a rounded record."""
    event = decode_trade(json.dumps(trade(1, **changes))).data
    with pytest.raises(FixedPointError):
        read_trades([event])


def test_a_quote_takes_the_time_of_receipt() -> None:
    """The venue sends no time with a quote; an empty side has no price."""
    event = decode_quote(json.dumps(quote(9, a="0.00000000", A="0.00000000"))).data
    record = np.frombuffer(quote_record(instrument(), event, ts_recv_ns=77), MBP1)[0]
    assert record["ts_event"] == record["ts_recv"] == 77
    assert (record["bid_px_00"], record["bid_sz_00"]) == (100_100_000_000, 100_000_000)
    assert (record["ask_px_00"], record["ask_sz_00"]) == (UNDEF_PRICE, 0)
    assert record["flags"] == F_LAST | F_TOB
    assert record["sequence"] == 9


def test_every_prefix_of_real_frames_is_refused(captures: Path) -> None:
    """One real frame of each kind, cut at every byte, raises the decoder's error and nothing else."""
    decoders = {"t": decode_trade, "b": decode_quote, "d": decode_depth}
    for _, text in recorded(captures, "spot_btcusdt_20240808.txt.gz", 7):
        decode = decoders[text[text.index("@") + 1]]
        decode(text)
        for end in range(len(text)):
            with pytest.raises(msgspec.MsgspecError):
                decode(text[:end])
