"""The frame scanner against wsproto: valid and broken streams, cut anywhere, mean the same to both."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage

from providers.venue.frames import FrameScanner

LONGEST = 1 << 63  # wsproto knows no limit
Verdict = tuple[int, str, bool]


@attrs.define
class Outcome:
    """What one reader made of a stream. `verdict` is the code, the reason unless it is a violation, and whether it
    is one; None while it goes on."""

    messages: list[str | bytes] = attrs.Factory(list)
    pings: list[bytes] = attrs.Factory(list)
    verdict: Verdict | None = None


class Ours:
    """The scanner."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self._scanner = FrameScanner(max_message_bytes=LONGEST)

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        outcome, scanner = self.outcome, self._scanner
        outcome.messages += scanner.scan(data)
        outcome.pings, ending = scanner.pings, scanner.ending
        if ending is not None:
            outcome.verdict = (ending.code, "" if ending.violation else ending.reason, ending.violation)


class Oracle:
    """The library."""

    def __init__(self) -> None:
        self.outcome = Outcome()
        self._connection = Connection(ConnectionType.CLIENT)
        self._parts: list[Any] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        if self.outcome.verdict is not None:
            return
        self._connection.receive_data(data)
        for event in self._connection.events():
            if isinstance(event, Ping):
                self.outcome.pings.append(bytes(event.payload))
            elif isinstance(event, CloseConnection):
                violation = self._connection.state is ConnectionState.OPEN
                self.outcome.verdict = (int(event.code), "" if violation else event.reason or "", violation)
                return
            elif isinstance(event, TextMessage | BytesMessage):
                self._take(event)

    def _take(self, event: TextMessage | BytesMessage) -> None:
        self._parts.append(event.data)
        if event.message_finished:
            empty: Any = event.data[:0]
            self.outcome.messages.append(empty.join(self._parts))
            self._parts = []


def frame(
    opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0, masked: bool = False, form: int = 0
) -> bytes:
    """A frame; `form` 126 or 127 takes that length field although a smaller one would do."""
    head = bytes([(0x80 if final else 0) | reserved << 4 | opcode])
    mask = 0x80 if masked else 0
    length = len(payload)
    form = form or (length if length < 126 else 126 if length < 65536 else 127)
    if form == 127:
        head += bytes([127 | mask]) + struct.pack("!Q", length)
    elif form == 126:
        head += bytes([126 | mask]) + struct.pack("!H", length & 0xFFFF)
    else:
        head += bytes([length | mask])
    return head + (b"\0\0\0\0" if masked else b"") + payload


def cut(data: bytes, places: Sequence[int]) -> Iterator[bytes]:
    """`data` in pieces."""
    ends = sorted({place % (len(data) + 1) for place in places} | {len(data)})
    begin = 0
    for end in ends:
        yield data[begin:end]
        begin = end


_CLOSE_PAYLOADS = st.one_of(
    st.just(b""),
    st.builds(
        lambda code, reason: struct.pack("!H", code) + reason.encode()[:123],
        st.one_of(st.integers(990, 1020), st.sampled_from([0, 2999, 3000, 3999, 4000, 4999, 5000, 65535])),
        st.text(max_size=20),
    ),
    st.binary(max_size=5),
)
_LENGTHS = st.sampled_from([0, 1, 2, 124, 125, 126, 127, 128, 65535, 65536, 65537])
_TEXTS = st.one_of(
    st.text(max_size=40).map(str.encode),
    _LENGTHS.map(lambda length: b"x" * length),
    st.sampled_from(["é" * 63, "€" * 42, "\U0001f600" * 40, "\x00"]).map(str.encode),
)


@st.composite
def _messages(draw: st.DrawFn) -> bytes:
    """One message, whole or in fragments cut anywhere with control frames between them."""
    opcode, payload = draw(st.one_of(st.tuples(st.just(1), _TEXTS), st.tuples(st.just(2), st.binary(max_size=200))))
    pieces = list(cut(payload, draw(st.lists(st.integers(0, 1 << 20), max_size=3))))
    pieces += [b""] * draw(st.integers(0, 1))
    stream = b""
    for number, piece in enumerate(pieces):
        stream += frame(0 if number else opcode, piece, final=number == len(pieces) - 1)
        if number < len(pieces) - 1:
            stream += draw(st.one_of(st.just(b""), _CONTROLS))
    return stream


_CONTROLS = st.builds(frame, st.sampled_from([9, 10]), st.binary(max_size=125))
_ODD = st.builds(
    frame,
    st.integers(0, 15),
    st.one_of(st.binary(max_size=130), _TEXTS),
    final=st.booleans(),
    reserved=st.sampled_from([0, 0, 0, 1, 2, 4]),
    masked=st.sampled_from([False, False, False, True]),
    form=st.sampled_from([0, 0, 126, 127]),
)
_CLOSES = _CLOSE_PAYLOADS.map(lambda payload: frame(8, payload))
_VALID = st.lists(st.one_of(_messages(), _messages(), _CONTROLS), max_size=8).map(b"".join)
_PLACES = st.one_of(st.lists(st.integers(0, 1 << 20), max_size=20), st.just(list(range(2000))))


def agree(stream: bytes, places: Sequence[int]) -> Outcome:
    """Both read `stream` in the same pieces; what both say of it."""
    ours, oracle = Ours(), Oracle()
    for piece in cut(stream, places):
        ours.feed(piece)
        oracle.feed(piece)
    # One may refuse what has only begun to come a little before the other: more of it brings them together.
    for _ in range(200):
        if (ours.outcome.verdict is None) is (oracle.outcome.verdict is None):
            break
        ours.feed(b"x" * 512)
        oracle.feed(b"x" * 512)
    assert ours.outcome == oracle.outcome
    return ours.outcome


@settings(max_examples=300, deadline=None)
@given(_VALID, st.one_of(st.just(b""), _CLOSES), _PLACES)
def test_valid_streams_mean_the_same(stream: bytes, close: bytes, places: list[int]) -> None:
    """Whatever the protocol allows is read as the library reads it, and never refused before the close frame."""
    outcome = agree(stream + close, places)
    assert outcome.verdict is None or close


@settings(max_examples=300, deadline=None)
@given(_VALID, st.lists(st.one_of(_ODD, _ODD, _CLOSES, _messages()), min_size=1, max_size=4).map(b"".join), _PLACES)
def test_broken_streams_mean_the_same(stream: bytes, odd: bytes, places: list[int]) -> None:
    """Frames that may not come, or not there, are refused by both for the same class of reason."""
    agree(stream + odd, places)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(_VALID, st.binary(max_size=64)),
    st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255), st.booleans()), min_size=1, max_size=4),
    _PLACES,
)
def test_corrupted_streams_mean_the_same(
    stream: bytes, changes: list[tuple[int, int, bool]], places: list[int]
) -> None:
    """Bytes changed or lost anywhere make no difference between the two."""
    corrupted = bytearray(stream)
    for place, value, lost in changes:
        if corrupted:
            at = place % len(corrupted)
            corrupted[at : at + 1] = b"" if lost else bytes([value])
    agree(bytes(corrupted), places)


@settings(max_examples=300, deadline=None)
@given(_VALID, st.one_of(st.just(b""), _ODD, _CLOSES), _PLACES, _PLACES)
def test_where_it_is_cut_makes_no_difference(
    stream: bytes, last: bytes, places: list[int], others: list[int]
) -> None:
    """The same bytes in other pieces bring the same messages, pings and verdict."""
    outcomes = []
    for each in (places, others, []):
        ours = Ours()
        for piece in cut(stream + last, each):
            ours.feed(piece)
        outcomes.append(ours.outcome)
    assert outcomes[0] == outcomes[1] == outcomes[2]
