"""WebSocket frames (RFC 6455) as a client receives them: bytes in, messages out. No clock, no input or output.

A venue sends almost nothing but short texts, each in one frame, hundreds of them in one read when it is busy: those
take a tight loop over the bytes. Everything else the protocol knows takes the long way behind it. No extension is
ever agreed upon, so that a reserved bit is an error.
"""

from __future__ import annotations

import codecs

import attrs

PROTOCOL_ERROR = 1002
NO_STATUS = 1005
NOT_UTF8 = 1007
TOO_BIG = 1009

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_OPCODES = frozenset({_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG})
_CONTROL = 0x8  # the bit that tells the last three
_FINAL, _RESERVED, _OPCODE = 0x80, 0x70, 0x0F
_MASKED, _LENGTH = 0x80, 0x7F
_WHOLE_TEXT = _FINAL | _TEXT
_NO_BYTE = -1
_LONGEST_CONTROL = _LONGEST_SHORT = 125
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_HEADER_BYTES = {_TWO_BYTES: 4, _EIGHT_BYTES: 10}
_STATED_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1014)})


@attrs.frozen(kw_only=True)
class Ending:
    """Why no more messages come. A `violation` is the venue's, and `code` what to tell it; else `code` and `reason`
    are those of the venue's close frame, `NO_STATUS` when it gave none."""

    code: int
    reason: str
    violation: bool


class FrameScanner:
    """Puts messages together from reads of any size. What it keeps is bounded by `max_message_bytes`.

    `pings` holds the payloads of the pings found, for whoever answers them to take out. Once `ending` is set, bytes
    are ignored.
    """

    def __init__(self, *, max_message_bytes: int) -> None:
        self.pings: list[bytes] = []
        self.ending: Ending | None = None
        self._max_message_bytes = max_message_bytes
        # The beginning of a frame, and how long it must get before it is looked at again.
        self._pending = bytearray()
        self._needed = 0
        # A message in fragments: the opcode of its first frame, 0 when there is none, and what came of it.
        self._opcode = 0
        self._fragments = bytearray()
        self._utf8 = codecs.getincrementaldecoder("utf-8")()

    def scan(self, data: bytes | bytearray) -> list[str | bytes]:
        """The messages that `data`, the next bytes received, completes: texts as `str`, binary ones as `bytes`."""
        if self.ending is not None:
            return []
        pending = self._pending
        if pending and len(pending) + len(data) < self._needed:
            pending += data
            return []
        received = b"".join((pending, data)) if pending else bytes(data)
        pending.clear()
        messages: list[str | bytes] = []
        try:
            taken = self._take_frames(received, messages)
        except _ViolationError as violation:
            self.ending = Ending(code=violation.code, reason=violation.why, violation=True)
        except UnicodeDecodeError:
            self.ending = Ending(code=NOT_UTF8, reason="a text is not UTF-8", violation=True)
        else:
            pending += received[taken:]
        return messages

    def _take_frames(self, data: bytes, messages: list[str | bytes]) -> int:
        # Returns where the first frame begins that is not complete.
        at, end = 0, len(data)
        self._needed = 2
        take = messages.append
        # While a message in fragments is open, no byte begins a whole text.
        whole = _NO_BYTE if self._opcode else _WHOLE_TEXT
        longest = self._max_message_bytes
        while end - at >= 2:
            start, length = at + 2, data[at + 1]
            if data[at] == whole and length <= _TWO_BYTES:
                if length == _TWO_BYTES:
                    start += 2
                    if start > end:
                        self._needed = 4
                        break
                    length = data[at + 2] << 8 | data[at + 3]
                    if length <= _LONGEST_SHORT:
                        raise _ViolationError("a length takes more bytes than it needs")
                stop = start + length
                if length > longest:
                    raise _too_long()
                if stop > end:
                    self._needed = stop - at
                    break
                take(str(data[start:stop], "utf-8"))
                at = stop
                continue
            header_bytes = _header_bytes(data[at], length)
            if end - at < header_bytes:
                self._needed = header_bytes
                break
            start = at + header_bytes
            length = self._payload_bytes(data[at], data[at + 1], data[at + 2 : start])
            stop = start + length
            if stop > end:
                self._needed = stop - at
                break
            self._take_frame(data[at], data[start:stop], messages)
            if self.ending is not None:
                break
            whole = _NO_BYTE if self._opcode else _WHOLE_TEXT
            at = stop
        return at

    def _payload_bytes(self, first: int, second: int, extended: bytes) -> int:
        # How long the payload is, of a frame that may come here.
        opcode, short = first & _OPCODE, second & _LENGTH
        length = int.from_bytes(extended, "big") if extended else short
        if (short == _TWO_BYTES and length <= _LONGEST_SHORT) or (short == _EIGHT_BYTES and length < 1 << 16):
            raise _ViolationError("a length takes more bytes than it needs")
        if length >> 63:
            raise _ViolationError("a length has more than 63 bits")
        if first & _RESERVED:
            raise _ViolationError("a reserved bit is set")
        if second & _MASKED:
            raise _ViolationError("a frame of a server is masked")
        if not opcode & _CONTROL:
            if (opcode == _CONTINUATION) is not bool(self._opcode):
                raise _ViolationError("a fragment is missing" if self._opcode else "a fragment continues nothing")
            if len(self._fragments) + length > self._max_message_bytes:
                raise _too_long()
        return length

    def _take_frame(self, first: int, payload: bytes, messages: list[str | bytes]) -> None:
        opcode = first & _OPCODE
        if opcode == _PING:
            self.pings.append(payload)
        elif opcode == _CLOSE:
            self.ending = _ending(payload)
        elif opcode != _PONG:
            self._take_data(opcode or self._opcode, payload, final=bool(first & _FINAL), messages=messages)

    def _take_data(self, opcode: int, payload: bytes, *, final: bool, messages: list[str | bytes]) -> None:
        if opcode == _TEXT:
            # A text that can no longer become one is refused now, not when it is complete.
            self._utf8.decode(payload, final)
        self._fragments += payload
        self._opcode = opcode
        if not final:
            return
        message = bytes(self._fragments)
        messages.append(str(message, "utf-8") if opcode == _TEXT else message)
        self._opcode = 0
        self._fragments.clear()


def _header_bytes(first: int, second: int) -> int:
    opcode, short = first & _OPCODE, second & _LENGTH
    if opcode not in _OPCODES:
        raise _ViolationError(f"there is no opcode {opcode}")
    if opcode & _CONTROL and (not first & _FINAL or short > _LONGEST_CONTROL):
        raise _ViolationError("a control frame is too long or in fragments")
    return _HEADER_BYTES.get(short, 2)


def _ending(payload: bytes) -> Ending:
    if not payload:
        return Ending(code=NO_STATUS, reason="", violation=False)
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _STATED_CODES or 3000 <= code <= 4999):
        raise _ViolationError("a close frame has no code that may be sent")
    return Ending(code=code, reason=str(payload[2:], "utf-8"), violation=False)


class _ViolationError(Exception):
    """The venue broke the protocol."""

    def __init__(self, why: str, code: int = PROTOCOL_ERROR) -> None:
        super().__init__(why)
        self.why = why
        self.code = code


def _too_long() -> _ViolationError:
    return _ViolationError("a message is too long", TOO_BIG)
