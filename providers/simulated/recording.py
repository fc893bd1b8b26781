"""A captured session, read whole and checked before anything is played: frames byte for byte, with exact times."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import attrs

from core.errors import ConfigurationError, NotFoundError
from providers.simulated.capture_lines import DamagedLineError, Message, Protocol, RestAnswer, read_line
from providers.simulated.documents import Metadata, asset_pairs, exchange_info, futures_instruments, known_metadata

_VENUE_NAMES: Mapping[Protocol, str] = {
    "kraken": "Kraken",
    "binance": "Binance",
    "kraken_futures": "Kraken Futures",
}
_CATALOGUES: Mapping[Protocol, str] = {
    "kraken": "AssetPairs",
    "binance": "exchangeInfo",
    "kraken_futures": "instruments",
}


class RecordedFrame(NamedTuple):
    """One frame: when it was received (nanoseconds since the epoch), its stream, and its text as it came."""

    received_ns: int
    stream: str
    text: str


@attrs.frozen(kw_only=True)
class Recording:
    """What one or more capture files hold, in the order of their times.

    `speed` is how many times faster than life it is played, None as fast as the client takes it. `symbols` are the
    venue's names of what was recorded, `metadata` describes each of them, and `snapshots` holds the REST depth
    answers by symbol.
    """

    protocol: Protocol
    speed: float | None
    frames: Sequence[RecordedFrame]
    streams: frozenset[str]
    symbols: tuple[str, ...]
    metadata: Mapping[str, Metadata]
    snapshots: Mapping[str, str]

    @classmethod
    def open(cls, paths: Sequence[Path], *, protocol: Protocol | None, speed: float | None) -> Recording:
        """Read `paths`: captures, REST answers and REST metadata documents, gzip or plain, in any order.

        `protocol` is the venue the recording must be of; None takes what it is.

        Raises:
            NotFoundError: a file does not exist.
            ConfigurationError: unreadable, damaged (with file and line), another venue's, empty, or without a
                description of a symbol it holds.
        """
        if speed is not None and not 0 < speed < float("inf"):
            raise ConfigurationError("cannot play a recording at this speed", str(speed), hint="give one above 0")
        contents = _Contents()
        for path in paths:
            contents.add(path)
        return _assembled(contents, protocol, speed)


class _Contents:
    """What the files read so far hold."""

    def __init__(self) -> None:
        self.captures: list[list[tuple[int, Message]]] = []
        self.metadata: dict[str, Metadata] = {}
        self.answers: list[tuple[str, RestAnswer]] = []
        self.protocols: dict[Protocol, str] = {}

    def add(self, path: Path) -> None:
        """Read one file."""
        content = _read(path)
        described = _metadata_document(content)
        if described is not None:
            self.metadata.update(described)
            return
        messages: list[Message] = []
        for number, line in enumerate(content.splitlines(), start=1):
            self._add_line(line, f"{path}, line {number}", messages)
        if messages:
            self.captures.append(_timed(messages, path))

    def _add_line(self, line: bytes, place: str, messages: list[Message]) -> None:
        try:
            found = read_line(line.decode())
            if isinstance(found, RestAnswer) and not found.path.endswith("/depth"):
                self.metadata.update(_metadata_document(found.text.encode()) or {})
            elif isinstance(found, RestAnswer):
                self.answers.append((place, found))
            elif found is not None:
                self.protocols.setdefault(found.protocol, place)
                messages.append(found)
        except DamagedLineError as error:
            raise ConfigurationError("cannot play this recording", place, hint=str(error)) from None
        except UnicodeDecodeError:
            raise ConfigurationError("cannot play this recording", place, hint="not UTF-8 text") from None


def _read(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    except FileNotFoundError:
        raise NotFoundError("no such recording", str(path)) from None
    except (OSError, EOFError, zlib.error) as error:
        raise ConfigurationError("cannot read this recording", str(path), hint=str(error)) from None


def _metadata_document(content: bytes) -> dict[str, Metadata] | None:
    # Only a whole answer is one JSON document with these names; a capture of one line has others.
    if content.lstrip()[:1] != b"{":
        return None
    return asset_pairs(content) or exchange_info(content) or futures_instruments(content)


def _timed(messages: Iterable[Message], path: Path) -> list[tuple[int, Message]]:
    known: int | None = None
    timed: list[tuple[int, Message]] = []
    untimed = 0
    for message in reversed(list(messages)):
        stamp = message.received_ns if message.received_ns is not None else message.venue_ns
        known = known if stamp is None else stamp
        untimed += known is None
        timed.append((known or 0, message))
    if known is None:
        raise ConfigurationError("cannot play this recording", str(path), hint="no message in it carries a time")
    timed.reverse()
    last = timed[-untimed - 1][0]
    return [(stamp or last, message) for stamp, message in timed]


def _assembled(contents: _Contents, wanted: Protocol | None, speed: float | None) -> Recording:
    if not contents.captures:
        raise ConfigurationError("nothing to play", "no market data in the recording", hint="give a capture file")
    if len(contents.protocols) > 1:
        places = " and ".join(f"{_VENUE_NAMES[name]} in {place}" for name, place in contents.protocols.items())
        raise ConfigurationError("a recording of two venues", places, hint="play them one at a time")
    protocol, place = next(iter(contents.protocols.items()))
    if wanted is not None and wanted != protocol:
        hint = f"it is a capture of {_VENUE_NAMES[protocol]}"
        raise ConfigurationError(f"not a recording of {_VENUE_NAMES[wanted]}", place, hint=hint)
    frames = _merged(contents.captures)
    symbols = tuple(dict.fromkeys(message.symbol for capture in contents.captures for _, message in capture))
    return Recording(
        protocol=protocol,
        speed=speed,
        frames=frames,
        streams=frozenset(frame.stream for frame in frames),
        symbols=symbols,
        metadata={symbol: _described(symbol, protocol, contents.metadata) for symbol in symbols},
        snapshots=_snapshots(contents.answers, symbols),
    )


def _merged(captures: Iterable[list[tuple[int, Message]]]) -> list[RecordedFrame]:
    ordered: list[tuple[int, RecordedFrame]] = []
    for capture in captures:
        newest = 0
        for received_ns, message in capture:
            # A clock that was set back while recording must not change the order within its file.
            newest = max(newest, received_ns)
            ordered.append((newest, RecordedFrame(received_ns, message.stream, message.text)))
    ordered.sort(key=lambda pair: pair[0])
    return [frame for _, frame in ordered]


def _described(symbol: str, protocol: Protocol, given: Mapping[str, Metadata]) -> Metadata:
    metadata = given.get(symbol) or known_metadata(protocol).get(symbol)
    if metadata is None:
        raise ConfigurationError(
            "nothing describes a recorded symbol",
            f"{ascii(symbol)[1:-1][:40]} on {_VENUE_NAMES[protocol]}",
            hint=f"give the venue's {_CATALOGUES[protocol]} answer as a further file",
        )
    return metadata


def _snapshots(answers: Iterable[tuple[str, RestAnswer]], symbols: Sequence[str]) -> dict[str, str]:
    snapshots: dict[str, str] = {}
    for place, answer in answers:
        if not answer.symbol and len(symbols) != 1:
            hint = "a depth snapshot without its symbol, in a recording of several"
            raise ConfigurationError("cannot play this recording", place, hint=hint)
        snapshots.setdefault(answer.symbol or symbols[0], answer.text)
    return snapshots
