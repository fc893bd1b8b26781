"""One session with a live gateway: the vendor's client on a loop of its own, its records handed over in batches.

The client's callback appends to a bounded queue and wakes the reader; it never waits. When the queue is full nothing
more is taken, and the reader, once it has emptied it, is told: it must begin a new session where this one stopped.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import attrs
import trio

from core.clock import monotonic_ns
from core.errors import ConsoleError, TransientError
from core.flow.printable import printable
from core.model.records import Schema
from providers.databento.errors import handshake_error
from providers.databento.key import ApiKey
from providers.databento.looping import LoopThread
from providers.databento.names import GatewayAddress
from providers.databento.quiet import quieten

QUEUE_RECORDS: Final = 65_536
CONNECT_S: Final = 15.0
HEARTBEAT_S: Final = 10
SILENCE_S: Final = 15.0

_DATA_RTYPES: Final = frozenset(schema.rtype for schema in Schema)
_RTYPE = 1


@attrs.frozen
class Mapped:
    """From now on records of `instrument_id` are of `symbol`, as it was asked for."""

    instrument_id: int
    symbol: str


@attrs.frozen
class Notice:
    """A system record: the name of its code, what it says, and the gateway's time."""

    code: str
    text: str
    ts_event_ns: int


@attrs.frozen
class Refusal:
    """An error record: the name of its code, and what it says."""

    code: str
    text: str


Item = bytes | Mapped | Notice | Refusal
"""What a gateway sends: a data record as it came, or what is said about records."""


@attrs.frozen(kw_only=True)
class Batch:
    """Items in the order in which they came; `read_ns` is when the first was handed over, by the monotonic clock."""

    items: Sequence[Item]
    read_ns: int


@attrs.frozen(kw_only=True)
class SessionPlan:
    """What to open: `starts` gives for each schema the instant from which to replay, 0 for what happens from now on.

    `silence_s` without a record, heartbeats included, is a dead connection. `queue_records` may wait for the reader.
    """

    key: ApiKey
    dataset: str
    address: GatewayAddress
    symbols: Sequence[str]
    starts: Mapping[str, int]
    compressed: bool = False
    connect_s: float = CONNECT_S
    heartbeat_s: int = HEARTBEAT_S
    silence_s: float = SILENCE_S
    queue_records: int = QUEUE_RECORDS


class OverrunError(TransientError):
    """The reader was slower than the gateway and records were left out: begin anew where it stopped."""


class Session:
    """An open session. One task at a time may wait in `receive`.

    `start_ns` is when it began, by the gateway's clock; 0 before it said so, which one that is cut may never do.
    """

    def __init__(self, plan: SessionPlan, thread: LoopThread) -> None:
        self.plan = plan
        self._thread = thread
        self._queue: deque[Item] = deque()
        self._token = trio.lowlevel.current_trio_token()
        self._filled = trio.Event()
        self._signalled = False
        self._first_ns = 0
        self._overrun = False
        self._ended: ConsoleError | None = None
        self._clean = False
        self._client: Any = None
        self.start_ns = 0

    @property
    def clean_end(self) -> bool:
        """Whether the gateway closed the session without any error."""
        return self._clean

    async def receive(self) -> Batch:
        """What came since the last call, at least one item.

        Raises:
            OverrunError: more came than the queue holds; everything before that was returned.
            ConsoleError: the session is over; everything before that was returned.
        """
        with trio.move_on_after(self.plan.silence_s) as scope:
            while not self._queue and not self._overrun and self._ended is None:
                await self._filled.wait()
                self._filled = trio.Event()
        if scope.cancelled_caught:
            raise TransientError("live session", f"silent for {self.plan.silence_s:g} s")
        read_ns = self._first_ns
        self._signalled = False  # first: what is appended from here on wakes again
        items = []
        while self._queue:
            items.append(self._queue.popleft())
        if items:
            return Batch(items=items, read_ns=read_ns)
        if self._overrun:
            raise OverrunError("live session", f"more than {self.plan.queue_records} records waited")
        if self._ended is not None:
            raise self._ended
        return await self.receive()  # woken for what an earlier call took

    def subscribe(self, symbols: Sequence[str]) -> None:
        """Ask for more symbols, in every schema of the plan, from now on. Returns at once; a refusal is an item."""
        for schema in self.plan.starts:
            self._thread.call(partial(self._ask, schema, symbols))

    def _ask(self, schema: str, symbols: Sequence[str], start_ns: int = 0) -> None:
        self._client.subscribe(self.plan.dataset, schema, symbols=list(symbols), start=start_ns or None)

    def connect(self) -> None:
        """Connect, log in, subscribe, start. Blocks, in a thread that may be left behind. Raises `ConsoleError`."""
        import databento

        logging.getLogger("databento").propagate = False  # what it says goes to us by other ways
        quieten()
        plan = self.plan
        if self._thread.closing:  # left behind while it was imported
            raise TransientError(f"live {plan.dataset}", "left behind")
        self._client = client = databento.Live(
            plan.key.value,
            gateway=plan.address.host or None,
            port=plan.address.port,
            heartbeat_interval_s=plan.heartbeat_s,
            slow_reader_behavior="warn",
            compression=databento.Compression.from_str("zstd" if plan.compressed else "none"),
            loop=self._thread.loop,
        )
        self._thread.at_end(client.terminate)
        client.add_callback(self._take, self._fail)
        first, *others = plan.starts.items()
        try:
            self._ask(first[0], plan.symbols, first[1])
        except (databento.BentoError, ValueError) as error:
            raise handshake_error(f"live {plan.dataset}", str(error)) from error
        for schema, start_ns in others:
            self._thread.call(partial(self._ask, schema, plan.symbols, start_ns))
        self._thread.call(client.start)
        self._thread.call(self._watch)

    def _watch(self) -> None:
        task = self._thread.loop.create_task(self._client.wait_for_close())
        task.add_done_callback(self._over)

    # What follows runs on the client's thread.

    def _take(self, record: Any) -> None:
        if self._overrun:
            return
        if len(self._queue) >= self.plan.queue_records:
            self._overrun = True
            self._wake()
            return
        if not self.start_ns:
            self._note_start()
        encoded = bytes(record)
        self._queue.append(encoded if encoded[_RTYPE] in _DATA_RTYPES else said(record))
        if not self._signalled:
            self._signalled = True
            self._first_ns = monotonic_ns()
            self._wake()

    def _note_start(self) -> None:
        metadata = self._client.metadata
        if metadata is not None:
            self.start_ns = int(metadata.start)

    def _fail(self, error: Exception) -> None:
        self._ended = TransientError("live session", f"a record cannot be used: {printable(str(error))}")
        self._wake()

    def _over(self, task: Any) -> None:
        error = None if task.cancelled() else task.exception()
        self._clean = error is None
        self._note_start()
        reason = "closed by the gateway" if error is None else str(error)
        self._ended = self._ended or TransientError("live session", printable(reason, 200))
        self._wake()

    def _wake(self) -> None:
        try:
            self._token.run_sync_soon(self._set, idempotent=True)
        except trio.RunFinishedError:
            self._thread.close()

    def _set(self) -> None:
        self._filled.set()


def said(record: Any) -> Mapped | Notice | Refusal:
    """What a record that is no market data says; one whose texts cannot be read is a notice that nobody knows."""
    import databento_dbn as dbn

    try:
        match record:
            case dbn.SymbolMappingMsg():
                return Mapped(record.instrument_id, record.stype_in_symbol)
            case dbn.SystemMsg():
                code = "HEARTBEAT" if record.is_heartbeat() else _name(record.code)
                return Notice(code, record.msg, record.ts_event)
            case dbn.ErrorMsg():
                return Refusal(_name(record.code), record.err)
    except (dbn.DBNError, ValueError) as error:
        return Notice("UNREADABLE", f"{type(record).__name__}: {error}"[:80], record.ts_event)
    return Notice("UNEXPECTED", type(record).__name__, record.ts_event)


def _name(code: Any) -> str:
    return str(getattr(code, "name", code))


@asynccontextmanager
async def open_session(plan: SessionPlan, threads: trio.CapacityLimiter) -> AsyncIterator[Session]:
    """A session, connected and started, that is ended at once when the block is left, however it is left.

    Raises:
        ConsoleError: the gateway cannot be reached or refuses.
    """
    thread = LoopThread()
    try:
        session = Session(plan, thread)
        with trio.move_on_after(plan.connect_s) as scope:
            await trio.to_thread.run_sync(session.connect, abandon_on_cancel=True, limiter=threads)
        if scope.cancelled_caught:
            raise TransientError(f"live {plan.dataset}", f"no answer within {plan.connect_s:g} s")
        yield session
    finally:
        thread.close()
