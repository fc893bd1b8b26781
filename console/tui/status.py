"""The engine's answer to `status` as frozen values."""

from __future__ import annotations

from pathlib import Path

import attrs

from console.tui.alerts.told import AlertState, parse_alert_state
from console.tui.answers import Raw, read_count, read_list, read_mapping, read_number, read_rows, read_text
from console.tui.stored import CacheState, Spill, parse_cache, parse_spill, read_lost
from console.tui.text import clean

ENDED = "ended"
"""The state of a book that was withheld only because its recording is over."""
_END_REASON = "end of recording"
HEALTHS = frozenset({"live", "quiet", "stale", "broken"})
"""What the engine's watchdog says of a feed, from best to worst."""


@attrs.frozen(kw_only=True)
class Connection:
    """One connection to a venue; `messages` counts since the start. `pid` is the child process that holds it, 0
    when it is the engine itself; `restarts` counts how often it was started again after a failure.

    What is streamed over several is told as one, and each of them in `legs`, by its number `leg`: `brought_first`
    counts the trades that no other had before, `missed` those that another had and this one did not, `hand_overs`
    planned successions.
    """

    venue: str
    status: str
    reason: str
    messages: int
    malformed: int
    reconnects: int
    restarts: int = 0
    pid: int = 0
    brought_first: int = 0
    missed: int = 0
    hand_overs: int = 0
    leg: int = 0
    legs: tuple[Connection, ...] = ()

    @property
    def lines(self) -> tuple[Connection, ...]:
        """Itself, and where it has several legs each of them."""
        return (self, *self.legs) if len(self.legs) > 1 else (self,)

    @property
    def ended(self) -> bool:
        """Whether a recording was played to its end: nothing is wrong, nothing more comes."""
        return self.status == "disconnected" and self.reason == _END_REASON


@attrs.frozen(kw_only=True)
class Feed:
    """One symbol of one venue: what it is, and what its feed has counted; `streaming` is false once it was left.

    `malformed` counts messages of its whole venue: what cannot be read belongs to no symbol. `health` is one of
    `HEALTHS`, or empty when the engine says nothing of it; `health_reason` is why it is not live.
    """

    symbol: str
    venue: str
    quote: str = ""
    settle: str = ""
    product: str = ""
    price_decimals: int = 2
    quantity_decimals: int = 8
    duplicates: int = 0
    out_of_order: int = 0
    gaps: int = 0
    book_breaks: int = 0
    checksum_bad: int = 0
    rejected: int = 0
    malformed: int = 0
    reconnects: int = 0
    skewed: int = 0
    book_state: str = "none"
    problem: str = ""
    health: str = ""
    health_reason: str = ""
    streaming: bool = True


@attrs.frozen(kw_only=True)
class ReaderRow:
    """One reader of a ring as the ring's table has it."""

    name: str
    pid: int
    lag: int
    lapped: int


@attrs.frozen(kw_only=True)
class Ring:
    """One ring of the engine; `schema` is Databento's name of its records. Of `committed` records it still holds the
    newest `capacity`; a private one is not offered to other programs."""

    path: Path
    schema: str
    symbol: str
    venue: str
    capacity: int = 0
    committed: int = 0
    public: bool = True
    readers: tuple[ReaderRow, ...] = ()

    @property
    def name(self) -> str:
        """The name of its file, safe to draw."""
        return clean(self.path.name)

    @property
    def worst_lag(self) -> int:
        """The records that its slowest reader has not read."""
        return max((reader.lag for reader in self.readers), default=0)


@attrs.frozen(kw_only=True)
class LogLine:
    """One line of the engine's log. `sequence` is the engine's number of it, 0 when it has none, and `number` the
    screen's; `more` says that there is more of it than is told here, `fields` and `trace` are that."""

    ts_ns: int
    level: str
    logger: str
    text: str
    pid: int = 0
    sequence: int = 0
    number: int = 0
    more: bool = False
    fields: tuple[tuple[str, str], ...] = ()
    trace: tuple[str, ...] = ()

    @property
    def source(self) -> str:
        """The part of the program that said it."""
        return self.logger.removeprefix("ringside.")

    def numbered(self, number: int) -> LogLine:
        """The same with the screen's number."""
        return attrs.evolve(self, number=number)


@attrs.frozen(kw_only=True)
class PaperState:
    """How paper trading does: `state` is "starting", "trading", "failed" or "off", for the `reason` given; so many of
    its `strategies` were `stopped`, and the accounts that are `halted`."""

    state: str = ""
    reason: str = ""
    strategies: int = 0
    stopped: int = 0
    halted: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class EngineStatus:
    """The whole answer. Delays in ns; `recording` is a file's name; `store_lag_s` is None when nothing is stored.
    `store_kind` and `store_place` are those of `console.tui.stored.StoreAnswer`.

    `store_problem` is empty while storing goes well, `store_lost` counts records of every schema that were
    overwritten unstored, and `store_repairs` are sentences about damage found in stored files. `spill`, `cache`,
    `paper` and `alerts` are None where there is no database to be down, no cache, no paper trading, and nobody who
    watches.
    """

    instance_id: str = ""
    pid: int = 0
    host: str = ""
    state: str = ""
    read_only: bool = False
    source: str = ""
    recording: str = ""
    now_ns: int = 0
    started_ns: int = 0
    publish_p50_ns: int = 0
    publish_p99_ns: int = 0
    publish_max_ns: int = 0
    venue_p50_ns: int = 0
    venue_p99_ns: int = 0
    delays: int = 0
    store_kind: str = ""
    store_place: str = ""
    store_lag_s: float | None = None
    store_problem: str = ""
    store_lost: int = 0
    store_repairs: tuple[str, ...] = ()
    spill: Spill | None = None
    cache: CacheState | None = None
    paper: PaperState | None = None
    alerts: AlertState | None = None
    connections: tuple[Connection, ...] = ()
    feeds: tuple[Feed, ...] = ()
    rings: tuple[Ring, ...] = ()
    log: tuple[LogLine, ...] = ()


def parse_status(raw: Raw) -> EngineStatus:
    """`raw` as an `EngineStatus`; every text in it is safe to draw."""
    latency, store = read_mapping(raw, "latency"), read_mapping(raw, "store")
    connections = tuple(_connection(row) for row in read_rows(raw, "connections"))
    venues = {one.venue: one for one in connections}
    return EngineStatus(
        instance_id=read_text(raw, "instance_id"),
        pid=read_count(raw, "pid"),
        host=read_text(raw, "host"),
        state=read_text(raw, "state"),
        read_only=raw.get("read_only") is True,
        source=read_text(raw, "source"),
        recording=read_text(raw, "recording", limit=4096).rpartition("/")[2],
        now_ns=read_count(raw, "now_ns"),
        started_ns=read_count(raw, "started_ns"),
        publish_p50_ns=read_count(latency, "publish_p50_ns"),
        publish_p99_ns=read_count(latency, "publish_p99_ns"),
        publish_max_ns=read_count(latency, "publish_max_ns"),
        venue_p50_ns=read_count(latency, "venue_p50_ns"),
        venue_p99_ns=read_count(latency, "venue_p99_ns"),
        delays=read_count(latency, "count"),
        store_kind=read_text(store, "kind"),
        store_place=read_text(store, "place", limit=4096),
        store_lag_s=read_number(store, "lag_s") if store.get("enabled") else None,
        store_problem=read_text(store, "problem", limit=200),
        store_lost=read_lost(store),
        store_repairs=tuple(clean(text) for text in read_list(store, "repairs") if isinstance(text, str)),
        spill=parse_spill(store),
        cache=parse_cache(raw),
        paper=_paper(read_mapping(raw, "paper")),
        alerts=parse_alert_state(raw),
        connections=connections,
        feeds=tuple(_feed(row, venues.get(read_text(row, "venue"))) for row in read_rows(raw, "feeds")),
        rings=tuple(_ring(row) for row in read_rows(raw, "rings") if read_text(row, "path")),
        log=tuple(parse_log_line(row) for row in read_rows(raw, "log")[-200:]),
    )


def _paper(row: Raw) -> PaperState | None:
    if row.get("enabled") is not True:
        return None
    return PaperState(
        state=read_text(row, "state", limit=20),
        reason=read_text(row, "reason", limit=300),
        strategies=read_count(row, "strategies"),
        stopped=read_count(row, "stopped"),
        halted=tuple(clean(one, limit=64) for one in read_list(row, "halted") if isinstance(one, str)),
    )


def _connection(row: Raw) -> Connection:
    return attrs.evolve(_one_connection(row), legs=tuple(map(_one_connection, read_rows(row, "legs"))))


def _one_connection(row: Raw) -> Connection:
    return Connection(
        venue=read_text(row, "venue"),
        status=read_text(row, "status"),
        reason=read_text(row, "reason"),
        messages=read_count(row, "messages"),
        malformed=read_count(row, "malformed"),
        reconnects=read_count(row, "reconnects"),
        restarts=read_count(row, "restarts"),
        pid=read_count(row, "pid"),
        brought_first=read_count(row, "brought_first"),
        missed=read_count(row, "missed"),
        hand_overs=read_count(row, "hand_overs"),
        leg=read_count(row, "leg"),
    )


def _feed(row: Raw, connection: Connection | None) -> Feed:
    book_state = read_text(row, "book_state")
    if book_state == "withheld" and connection is not None and connection.ended:
        book_state = ENDED
    return Feed(
        symbol=read_text(row, "symbol"),
        venue=read_text(row, "venue"),
        quote=read_text(row, "quote"),
        settle=read_text(row, "settle"),
        product=read_text(row, "product"),
        price_decimals=min(read_count(row, "price_decimals"), 9),
        quantity_decimals=min(read_count(row, "quantity_decimals"), 8),
        duplicates=read_count(row, "duplicates"),
        out_of_order=read_count(row, "out_of_order"),
        gaps=read_count(row, "gaps"),
        book_breaks=read_count(row, "book_breaks"),
        checksum_bad=read_count(row, "checksum_bad"),
        rejected=read_count(row, "rejected"),
        malformed=0 if connection is None else connection.malformed,
        reconnects=read_count(row, "reconnects"),
        skewed=read_count(row, "skewed"),
        book_state=book_state,
        problem=read_text(row, "problem"),
        health=health if (health := read_text(row, "health")) in HEALTHS else "",
        health_reason=read_text(row, "health_reason", limit=200),
        streaming=row.get("streaming") is not False,
    )


def _ring(row: Raw) -> Ring:
    return Ring(
        path=Path(str(row.get("path", ""))),
        schema=read_text(row, "schema"),
        symbol=read_text(row, "symbol"),
        venue=read_text(row, "venue"),
        capacity=read_count(row, "capacity"),
        committed=read_count(row, "committed"),
        public=row.get("public") is not False,
        readers=tuple(
            ReaderRow(
                name=read_text(reader, "name"),
                pid=read_count(reader, "pid"),
                lag=read_count(reader, "lag"),
                lapped=read_count(reader, "lapped"),
            )
            for reader in read_rows(row, "readers")
        ),
    )


def parse_log_line(row: Raw) -> LogLine:
    """One line as the engine tells it."""
    return LogLine(
        ts_ns=read_count(row, "ts_ns"),
        level=clean(read_text(row, "level").upper()),  # upper case may bring a combining character
        logger=read_text(row, "logger"),
        text=read_text(row, "text", limit=500),
        pid=read_count(row, "pid"),
        sequence=read_count(row, "sequence"),
        more=row.get("more") is True,
    )
