"""What a Databento gateway or archive could send wrong: records cut and spoilt byte by byte, texts that are none."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path
from typing import Any

import databento_dbn as dbn
import numpy as np
import pytest

from core.errors import ConsoleError
from core.model.records import MBP1_STRUCT, MBP10_STRUCT, TRADE_STRUCT, UNDEF_PRICE, Schema
from providers.connection import ConnectionState
from providers.databento.archive import Archive
from providers.databento.errors import handshake_error, http_error, record_error
from providers.databento.feed import Feed
from providers.databento.live import Item, Mapped, Notice, Refusal, said
from providers.databento.symbols import read_definitions
from tests.unit.providers.databento.gateways import instrument
from tests.unit.providers.databento.support import MemorySink

pytestmark = pytest.mark.usefixtures("few_lines")

NOW_NS = 1_800_000_000_000_000_000
NUMBER = 118
TEXTS = ("", "\0\x1b[31m\r\n", "\ud800", "\u202e" * 400, "9" * 5000, "ESU4", "trades", "%s%n")
BYTES = (0x00, 0x7F, 0x80, 0xFF)
_RAW: Any = dbn.SType.RAW_SYMBOL
_NUMBERED: Any = dbn.SType.INSTRUMENT_ID
_LEVEL = (5, 6, 7, 8, 9, 10)


def _trade(sequence: int = 1) -> bytes:
    return TRADE_STRUCT.pack(12, 0, 1, NUMBER, NOW_NS, 5, 1, b"T", b"A", 128, 0, NOW_NS, 0, sequence)


RECORDS = {
    Schema.TRADES: _trade(),
    Schema.QUOTES: MBP1_STRUCT.pack(20, 1, 1, NUMBER, NOW_NS, 5, 1, b"A", b"A", 128, 0, NOW_NS, 0, 1, *_LEVEL),
    Schema.BOOK: MBP10_STRUCT.pack(
        92, 10, 1, NUMBER, NOW_NS, UNDEF_PRICE, 1, b"A", b"A", 128, 0, NOW_NS, 0, 1, *(_LEVEL * 10)
    ),
    Schema.BARS_1M: struct.pack("<BBHIQqqqqQ", 14, 0x21, 1, NUMBER, NOW_NS, 5, 6, 4, 5, 7),
}


def _opened() -> tuple[Feed, MemorySink, ConnectionState]:
    sink, connection = MemorySink(), ConnectionState("GLBX.MDP3")
    feed = Feed([instrument("ESU4")], sink, connection, tuple(RECORDS))
    feed.opened(NOW_NS)
    feed.began(NOW_NS)
    feed.take([Mapped(NUMBER, "ESU4")], NOW_NS)
    return feed, sink, connection


@pytest.mark.parametrize("schema", RECORDS)
def test_a_spoilt_record_is_held_back_or_told_as_it_came(schema: Schema) -> None:
    """Cut at each byte, lengthened, each byte another: counted, or published byte for byte; the next is not hurt."""
    record = RECORDS[schema]
    spoilt = [record[:length] for length in range(len(record))]
    spoilt += [record + b"\0", record * 2]
    spoilt += [record[:at] + bytes([byte]) + record[at + 1 :] for at in range(len(record)) for byte in BYTES]
    for each in spoilt:
        if each == record:
            continue
        feed, sink, connection = _opened()
        feed.take([each, _trade(sequence=99)], NOW_NS)
        (counters,) = feed.counters
        told = {name: sink.bytes_of("ESU4", name) for name in RECORDS}
        assert told.pop(Schema.TRADES).endswith(_trade(sequence=99)) or counters.duplicates, each
        counted = connection.malformed + counters.rejected + counters.duplicates
        published = sink.bytes_of("ESU4", schema).startswith(each) and len(each) == len(record)
        assert counted == 1 or published, each
        assert counters.problem.isprintable()


def _texts_spoilt(record: Any) -> list[Any]:
    """The vendor's decoder on the record with each of some bytes another."""
    header = dbn.Metadata(
        dataset="GLBX.MDP3", start=1, stype_in=_RAW, stype_out=_NUMBERED, schema=None
    ).encode()  # fmt: skip
    raw, found = bytes(record), []
    for at in [*range(2, 120), *range(len(raw) - 20, len(raw))]:
        for byte in BYTES:
            decoder = dbn.DBNDecoder()
            decoder.write(header + raw[:at] + bytes([byte]) + raw[at + 1 :])
            found += decoder.decode()[1:]
    return found


@pytest.mark.parametrize(
    "record",
    [
        dbn.SystemMsg(ts_event=NOW_NS, msg="Finished trades replay"),
        dbn.ErrorMsg(ts_event=NOW_NS, err="no such symbol", is_last=True),
        dbn.SymbolMappingMsg(
            publisher_id=1, instrument_id=NUMBER, ts_event=NOW_NS, stype_in=_RAW,
            stype_in_symbol="ESU4", stype_out=_NUMBERED, stype_out_symbol="118", start_ts=1, end_ts=2,
        ),
    ],
    ids=lambda record: type(record).__name__,
)  # fmt: skip
def test_a_spoilt_text_never_ends_in_an_exception(record: Any) -> None:
    """Whatever a text record holds is something said, and the feed counts it, heeds it, or says so in its words."""
    items = [said(each) for each in _texts_spoilt(record)]
    assert len(items) > 100
    for item in items:
        feed, _, connection = _opened()
        with contextlib.suppress(ConsoleError):
            feed.take([item, _trade()], NOW_NS)
        assert (feed.counters[0].problem + connection.reason).isprintable()


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_texts_are_made_harmless(text: str) -> None:
    """No text of a gateway or an archive brings a control character to an operator, and each has an error."""
    items: list[Item] = [Mapped(NUMBER, text), Refusal("SYMBOL_RESOLUTION_FAILED", text), Refusal(text, text)]
    items += [Notice(code, text, NOW_NS) for code in ("UNREADABLE", "SLOW_READER_WARNING", "REPLAY_COMPLETED", text)]
    for item in items:
        feed, sink, connection = _opened()
        try:
            feed.take([item, _trade()], NOW_NS)
        except ConsoleError as error:
            said_so = str(error)
        else:
            said_so = ""
            assert sink.bytes_of("ESU4", Schema.TRADES) == _trade() or isinstance(item, Mapped)
        assert (feed.counters[0].problem + connection.reason + said_so).isprintable()
    errors = [handshake_error("asked", text), record_error("asked", code=text, text=text)]
    errors += [
        http_error("asked", status=status, case=text, message=text, retry_after=text, now_ns=NOW_NS)
        for status in (400, 401, 404, 422, 429, 500, 599)
    ]
    for each in map(str, errors):
        assert each.isprintable()
        assert len(each) < 500


def test_spoilt_definitions_are_instruments_or_none(captures: Path) -> None:
    """Each byte of a real definition another: an instrument with printable names and a tick above 0, or none."""
    with Archive(captures / "databento" / "dbn_test_data.definition.v3.dbn.zst") as archive:
        (page,) = archive.pages()
    (whole, *_) = read_definitions([page[:1]], "XNAS.ITCH")
    raw = page[:1].tobytes()
    for at in range(len(raw)):
        for byte in BYTES:
            spoilt = np.frombuffer(raw[:at] + bytes([byte]) + raw[at + 1 :], page.dtype)
            for each in read_definitions([spoilt], "XNAS.ITCH"):
                assert (each.symbol + each.base + each.quote + each.settle).isprintable()
                assert each.symbol
                assert each.price_increment_e9 > 0
                assert 0 <= each.price_decimals <= 9
    assert read_definitions([page[:1]], "XNAS.ITCH") == [whole]
