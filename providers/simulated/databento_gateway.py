"""The simulated Databento live gateway: its protocol on 127.0.0.1, from a library, endings and errors on request.

All sessions see one tape. It begins with the first session and moves on whether anybody listens or not, so that one
who was cut missed something, and gets it by asking for a replay.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Final

import attrs
import trio
from trio import TaskStatus

from core.clock import wall_ns
from providers.simulated.databento_faults import ClientFaults, Kind, SessionFaults
from providers.simulated.databento_library import Library, Stored, encode_header
from providers.simulated.faults import NO_FAULTS, FaultPlan

_GREETING: Final = "lsg_version=0.5.0\n"
_MAX_LINE = 1 << 16
_CHUNK = 256
_ANY_END_NS = 2**64 - 1


@attrs.frozen(kw_only=True)
class Act:
    """After `after` data records of a session `kind` happens; `code` and `text` are those of an error."""

    kind: Kind
    after: int = 0
    code: str = "INTERNAL_ERROR"
    text: str = "something went wrong"


_REFUSAL: Final = Act(kind="refuse", text="User has reached their open connection limit")
_AMID: Final[frozenset[Kind]] = frozenset({"close", "reset", "silence", "error", "slow_reader", "garbage"})


@attrs.define(kw_only=True)
class Tape:
    """How much of a library has happened: all its records below `position`, counted from the beginning of time; the
    oldest that is still there is number `base`."""

    library: Library
    position: int = 0
    base: int = 0
    moved: trio.Event = attrs.Factory(trio.Event)

    @property
    def end(self) -> int:
        """The number that the record after the last will have."""
        return self.base + len(self.library.records)

    @property
    def now_ns(self) -> int:
        """The gateway's time: just after the newest record, or that of the first before it happened."""
        records, happened = self.library.records, self.position - self.base
        if happened > 0:
            return records[happened - 1].ts_event_ns + 1
        return records[0].ts_event_ns if records else 0

    def between(self, start: int, end: int) -> Sequence[Stored]:
        """The records from number `start` to `end`, those that are gone left out."""
        return self.library.records[max(start - self.base, 0) : max(end - self.base, 0)]

    def advance(self, count: int) -> None:
        """Let `count` more records happen."""
        self.position = min(self.position + count, self.end)
        self.moved.set()
        self.moved = trio.Event()

    async def play(self, records_per_s: float) -> None:
        """Let everything happen, at a steady rate."""
        while self.position < self.end:
            await trio.sleep(max(1 / records_per_s, 0.01))
            self.advance(max(1, round(records_per_s / 100)))


@attrs.frozen(kw_only=True)
class RunningGateway:
    """Where the gateway is found, its tape, and what is to happen: the first of `sessions` belongs to the next one.
    `asked` lists the lines that clients sent, without those that let them in."""

    address: str
    tape: Tape
    sessions: deque[Sequence[Act]]
    asked: list[Mapping[str, str]]


async def serve_gateway(
    library: Library,
    *,
    key: str,
    records_per_s: float | None = None,
    heartbeat_s: float | None = None,
    ends: bool = False,
    tape: Tape | None = None,
    plan: FaultPlan = NO_FAULTS,
    task_status: TaskStatus[RunningGateway] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled, to clients with `key`, with the faults of `plan`; reports where once it listens.

    The tape plays at `records_per_s` from the first session on; when None its holder advances it. `heartbeat_s`
    replaces what clients ask for. `tape` is one of `library` that somebody else moves. With `ends` sessions
    are closed when the tape is at its end.
    """
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    running = RunningGateway(
        address=f"127.0.0.1:{listeners[0].socket.getsockname()[1]}",
        tape=tape or Tape(library=library),
        sessions=deque(),
        asked=[],
    )
    async with trio.open_nursery() as nursery:
        started = trio.Event()
        clients = ClientFaults(plan)

        async def serve(stream: trio.SocketStream) -> None:
            acts = running.sessions.popleft() if running.sessions else ()
            if clients.refuses():
                acts = (*acts, _REFUSAL)
            session = _Session(
                stream,
                running,
                acts,
                faults=SessionFaults(plan),
                key=key,
                heartbeat_s=heartbeat_s,
                ends=ends,
                started=started,
            )
            try:
                await session.run()
            except* (trio.BrokenResourceError, trio.ClosedResourceError, _GoneError):
                pass
            finally:
                await trio.aclose_forcefully(stream)

        if records_per_s is not None:
            nursery.start_soon(_play_when, started, running.tape, records_per_s)
        nursery.start_soon(partial(trio.serve_listeners, serve, listeners))
        task_status.started(running)


async def _play_when(started: trio.Event, tape: Tape, records_per_s: float) -> None:
    await started.wait()
    await tape.play(records_per_s)


class _GoneError(Exception):
    """The client left."""


class _Session:
    def __init__(
        self,
        stream: trio.SocketStream,
        running: RunningGateway,
        acts: Sequence[Act],
        *,
        faults: SessionFaults,
        key: str,
        heartbeat_s: float | None,
        ends: bool,
        started: trio.Event,
    ) -> None:
        self._stream = stream
        self._running = running
        self._tape = running.tape
        self._library = running.tape.library
        self._acts = sorted(acts, key=lambda act: act.after)
        self._faults = faults
        self._key = key
        self._heartbeat_s = heartbeat_s
        self._ends = ends
        self._started = started
        self._lines = bytearray()
        self._compressor: Any = None
        self._sending = trio.Lock()
        self._sent = 0
        self._subscriptions: list[Mapping[str, str]] = []

    async def run(self) -> None:
        """Serve one client to its end."""
        if await self._act_now(frozenset({"mute"})) or not await self._logged_in():
            return
        while (line := await self._line()).get("start_session") is None:
            if not _is_subscription(line):
                return
            self._subscriptions.append(line)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._follow, nursery.cancel_scope)
            await self._stream_records()
            nursery.cancel_scope.cancel()

    async def _logged_in(self) -> bool:
        challenge = secrets.token_hex(16)
        await self._stream.send_all(f"{_GREETING}cram={challenge}\n".encode())
        line = await self._line()
        expected = hashlib.sha256(f"{challenge}|{self._key}".encode()).hexdigest() + f"-{self._key[-5:]}"
        refused = next((act.text for act in self._acts if act.kind == "refuse"), "")
        if line.get("auth") != expected or line.get("dataset") != self._library.dataset:
            refused = refused or "Authentication failed."
        if refused:
            await self._stream.send_all(f"success=0|error={refused}\n".encode())
            await self._stream.send_eof()
            return False
        if self._heartbeat_s is None:
            self._heartbeat_s = float(line.get("heartbeat_interval_s", "30"))
        if line.get("compression") == "zstd":
            import zstandard

            self._compressor = zstandard.ZstdCompressor(level=1).compressobj()
        await self._stream.send_all(b"success=1|session_id=1\n")
        return True

    async def _line(self) -> Mapping[str, str]:
        while b"\n" not in self._lines:
            received = await self._stream.receive_some(4096)
            if not received or len(self._lines) > _MAX_LINE:
                raise _GoneError
            self._lines += received
        line, _, self._lines = self._lines.partition(b"\n")
        said = dict(part.partition("=")[::2] for part in line.decode("utf-8", "replace").split("|"))
        if "auth" not in said:
            self._running.asked.append(said)
        return said

    async def _follow(self, scope: trio.CancelScope) -> None:
        # What the client asks for while the session runs; it ends when the client leaves.
        try:
            while True:
                line = await self._line()
                if not _is_subscription(line):
                    raise _GoneError
                self._subscriptions.append(line)
                await self._send(b"".join(self._mapped(line)))
        except (_GoneError, trio.BrokenResourceError, trio.ClosedResourceError):
            scope.cancel()

    async def _stream_records(self) -> None:
        self._started.set()
        begun = self._tape.position
        header = encode_header(
            self._library.dataset, schema=None, start_ns=self._tape.now_ns, end_ns=None, names={}, live=True
        )
        mapped = [record for line in self._subscriptions for record in self._mapped(line)]
        await self._send(header + b"".join(mapped))
        for line in self._subscriptions:
            if "start" in line and not await self._replayed(line, begun):
                return
        await self._live(begun)

    async def _replayed(self, line: Mapping[str, str], until: int) -> bool:
        start_ns = int(line["start"])
        past = attrs.evolve(self._library, records=self._tape.between(0, until))
        found = past.select(line["schema"], line["symbols"].split(","), start_ns=start_ns, end_ns=_ANY_END_NS)
        if not await self._send_data(found):
            return False
        await self._send(_system(self._tape.now_ns, "REPLAY_COMPLETED", f"Finished {line['schema']} replay"))
        return True

    async def _live(self, position: int) -> None:
        while True:
            moved = self._tape.moved
            fresh = self._tape.between(position, self._tape.position)
            position = self._tape.position
            if not await self._send_data((each for each in fresh if self._wants(each)), live=True):
                return
            if fresh:
                continue
            if self._ends and position >= self._tape.end:
                await self._stream.send_eof()
                return
            with trio.move_on_after(self._heartbeat_s or 30.0) as waiting:
                await moved.wait()
            if waiting.cancelled_caught:
                await self._send(_system(self._tape.now_ns, "HEARTBEAT", "Heartbeat"))

    def _wants(self, record: Stored) -> bool:
        name = self._library.names.get(record.instrument_id)
        return any(
            line["schema"] == record.schema and name in line["symbols"].split(",") for line in self._subscriptions
        )

    def _mapped(self, line: Mapping[str, str]) -> Iterator[bytes]:
        names = self._library.numbers(line["symbols"].split(","))
        yield from (_mapping(number, name) for name, number in names.items())
        unknown = [name for name in line["symbols"].split(",") if name not in names]
        if unknown:
            yield _error("SYMBOL_RESOLUTION_FAILED", f"Failed to resolve symbols: {', '.join(unknown)}")

    async def _send_data(self, records: Iterator[Stored], *, live: bool = False) -> bool:
        # Whether the session goes on.
        chunk: list[bytes] = []
        for each in records:
            if live and (kind := self._faults.next()) is not None:
                self._acts.insert(0, Act(kind=kind, after=self._sent))
            due = self._acts and self._sent >= self._acts[0].after
            if due or len(chunk) >= _CHUNK:
                await self._send(b"".join(chunk))
                chunk.clear()
            if due and await self._act_now(_AMID):
                return False
            chunk.append(each.encoded)
            self._sent += 1
        await self._send(b"".join(chunk))
        if self._acts and self._sent >= self._acts[0].after:
            return not await self._act_now(_AMID)
        return True

    async def _act_now(self, kinds: frozenset[Kind]) -> bool:
        # Whether the session is over; an act of another kind stays.
        if not self._acts or self._acts[0].kind not in kinds:
            return False
        act = self._acts.pop(0)
        match act.kind:
            case "close":
                await self._stream.send_eof()
            case "reset":
                self._stream.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
            case "silence":
                await trio.sleep_forever()  # until the client leaves
            case "mute":
                while await self._stream.receive_some(4096):
                    continue
            case "error":
                await self._send(_error(act.code, act.text))
                await self._stream.send_eof()
            case "garbage":
                await self._stream.send_all(b"\xff" * 64)
                await self._stream.send_eof()
            case _:
                await self._send(_system(self._tape.now_ns, "SLOW_READER_WARNING", "Falling behind"))
                return False
        return True

    async def _send(self, encoded: bytes) -> None:
        async with self._sending:
            if self._compressor is not None and encoded:
                import zstandard

                squeezed = self._compressor.compress(encoded)
                encoded = squeezed + self._compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            await self._stream.send_all(encoded)


def _is_subscription(line: Mapping[str, str]) -> bool:
    start = line.get("start", "0")
    return "schema" in line and "symbols" in line and start.isascii() and start.isdigit()


def _system(now_ns: int, code: str, text: str) -> bytes:
    import databento_dbn as dbn

    return bytes(dbn.SystemMsg(now_ns, text, getattr(dbn.SystemCode, code)))


def _error(code: str, text: str) -> bytes:
    import databento_dbn as dbn

    return bytes(dbn.ErrorMsg(wall_ns(), text, True, getattr(dbn.ErrorCode, code)))


def _mapping(number: int, name: str) -> bytes:
    import databento_dbn as dbn

    raw = dbn.SType.from_str("raw_symbol")
    return bytes(dbn.SymbolMappingMsg(0, number, wall_ns(), raw, name, raw, name, 2**64 - 1, 2**64 - 1))
