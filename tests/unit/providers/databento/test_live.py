"""The live gateway through the vendor's own client, from a local server."""

from __future__ import annotations

import struct
import threading
from pathlib import Path

import attrs
import pytest
import trio

from core.clock import NS_PER_S
from core.errors import AuthenticationError, ConsoleError, NotFoundError, PermanentError, RefusedError
from core.model.records import F_MAYBE_BAD_BOOK, MBP10_STRUCT, TRADE_STRUCT, Schema
from providers.base import BookState
from providers.connection import ConnectionStatus
from providers.databento.key import ApiKey
from providers.simulated.databento_faults import Kind
from providers.simulated.databento_gateway import Act
from providers.simulated.databento_library import Library, Stored, read_library
from tests.unit.providers.databento.gateways import encoded, instrument, stage
from tests.unit.providers.databento.support import library

BEGUN_NS = 1_800_000_000 * NS_PER_S


@pytest.mark.trio
@pytest.mark.parametrize("compressed", [False, True])
async def test_records_go_through_unchanged(captures: Path, compressed: bool) -> None:
    """What the gateway sends, plain or compressed, is published byte for byte, under Databento's own numbers."""
    found = library(captures)
    async with stage(found, compressed=compressed) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until_published(found)
        (counters,) = standing.counters
        assert (counters.trades, counters.quotes, counters.duplicates, counters.gaps) == (120, 2288, 0, 0)
        assert standing.provider.connection.status is ConnectionStatus.CONNECTED
        assert standing.provider.connection.malformed == 0
    subscribed = [line for line in standing.gateway.asked if "schema" in line]
    assert {line["schema"] for line in subscribed} == {"trades", "mbp-1", "mbp-10"}
    assert all(line["symbols"] == "ESU4" and "start" not in line for line in subscribed)


@pytest.mark.trio
@pytest.mark.parametrize("kind", ["close", "reset", "silence", "garbage", "error"])
@pytest.mark.parametrize("compressed", [False, True])
async def test_a_cut_is_mended_by_a_replay(captures: Path, kind: Kind, compressed: bool) -> None:
    """However a session ends, the next one begins where it stopped: nothing is missing, nothing comes twice."""
    found = library(captures)
    acts = [(Act(kind=kind, after=700),), (Act(kind=kind, after=900),)]
    async with stage(found, acts=acts, silence_s=0.5, heartbeat_s=0.1, compressed=compressed) as standing:
        for session in (1, 2, 3):
            await standing.until_sessions(session)
            standing.play(800)
        await standing.until_sessions(3)
        standing.play()
        await standing.until_published(found)
        (counters,) = standing.counters
        assert (counters.trades, counters.quotes, counters.reconnects, counters.gaps) == (120, 2288, 2, 0)
        assert counters.duplicates > 0
        # Two, or one when the second cut fell into the first replay.
        await standing.until(lambda: len(standing.provider.intervals) > 0)
        told = standing.provider.intervals
        assert all(each.start_ns <= each.end_ns and not each.lost and not each.reason for each in told)
        assert 0 < sum(each.recovered for each in told) < 120
    starts = [line for line in standing.gateway.asked if "start" in line]
    assert len(starts) == 6


@pytest.mark.trio
async def test_what_happened_while_nobody_listened_is_replayed(captures: Path) -> None:
    """Records that came between two sessions are published first, in order."""
    found = library(captures)
    async with stage(found, acts=[(Act(kind="reset", after=300),)]) as standing:
        await standing.until_sessions(1)
        standing.play(1500)
        await standing.until_sessions(2)
        standing.play()
        await standing.until_published(found)


@pytest.mark.trio
async def test_a_cut_before_the_first_record_loses_nothing(captures: Path) -> None:
    """A session that heard nothing yet is replayed from its beginning."""
    found = library(captures)
    async with stage(found, acts=[(Act(kind="close", after=0),)]) as standing:
        await standing.until_sessions(1)
        standing.play(500)
        await standing.until_sessions(2)
        standing.play()
        await standing.until_published(found)


def bars_and_trades() -> Library:
    """A market that trades every ten seconds, and its bars of a minute, each of which comes when it is over and bears
    the instant at which it began."""
    records = []
    for second in range(0, 1200, 10):
        if second and second % 60 == 0:
            begun_ns = BEGUN_NS + (second - 60) * NS_PER_S
            bar = struct.pack("<BBHIQqqqqQ", 14, Schema.BARS_1M.rtype, 1, 118, begun_ns, 7, 9, 5, second, 6)
            records.append(Stored(begun_ns, Schema.BARS_1M.value, 118, bar))
        at_ns = BEGUN_NS + second * NS_PER_S
        trade = TRADE_STRUCT.pack(12, 0, 1, 118, at_ns, second, 1, b"T", b"A", 128, 0, at_ns, 0, second)
        records.append(Stored(at_ns, Schema.TRADES.value, 118, trade))
    return Library(dataset="GLBX.MDP3", names={118: "ESU4"}, records=records)


@pytest.mark.trio
@pytest.mark.parametrize("cuts", [(), (9, 10, 11, 12), (40,)])
async def test_bars_are_streamed_too(cuts: tuple[int, ...]) -> None:
    """Each once and unchanged, however often the session is cut: one that grows while nobody listens is replayed."""
    found = bars_and_trades()
    acts = [(Act(kind="reset", after=after),) for after in cuts]
    async with stage(found, bars=[Schema.BARS_1M], acts=acts) as standing:
        await standing.until_sessions(1)
        standing.play(50)
        await standing.until_sessions(1 + len(cuts))
        standing.play()
        expected = {schema: encoded(found, schema.value) for schema in (Schema.TRADES, Schema.BARS_1M)}
        await standing.until(
            lambda: all(len(standing.sink.bytes_of("ESU4", each)) >= len(e) for each, e in expected.items())
        )
        assert {each: standing.sink.bytes_of("ESU4", each) for each in expected} == expected
        (counters,) = standing.counters
        assert (counters.trades, counters.book_updates, counters.book_state) == (120, 0, BookState.NONE)
        assert counters.last_event_ns == found.records[-1].ts_event_ns, "the instant of a bar is none of the market"
        assert standing.provider.connection.malformed == counters.gaps == 0


@pytest.mark.trio
async def test_a_full_queue_is_told_and_made_good(captures: Path) -> None:
    """When more comes than the queue holds, a new session begins where records were taken last: nothing is lost."""
    found = library(captures)
    async with stage(found, queue_records=50) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until(lambda: standing.sessions > 1)
        standing.provider._plan = attrs.evolve(standing.provider._plan, queue_records=65_536)
        await standing.until_published(found)
        assert "records waited" in standing.provider.connection.reason or standing.counters[0].reconnects
        assert standing.counters[0].gaps == 0


@pytest.mark.trio
async def test_a_slow_reader_warning_is_shown(captures: Path) -> None:
    """The gateway's warning becomes the connection's reason; the stream goes on."""
    found = library(captures)
    async with stage(found, acts=[(Act(kind="slow_reader", after=100),)]) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until_published(found)
        assert "slowly" in standing.provider.connection.reason


@pytest.mark.trio
@pytest.mark.parametrize("code", ["REPLAY_DATA_AGED_OUT", "INVALID_SUBSCRIPTION"])
async def test_a_replay_that_is_gone_is_a_gap(captures: Path, code: str) -> None:
    """When the gateway has forgotten what was missed, every symbol counts a gap and the stream begins anew."""
    found = library(captures)
    acts = [(Act(kind="reset", after=300),), (Act(kind="error", after=0, code=code),)]
    async with stage(found, acts=acts) as standing:
        await standing.until_sessions(1)
        standing.play(400)
        await standing.until_sessions(3)
        assert "start" not in standing.gateway.asked[-2]
        assert standing.counters[0].gaps == 1
        await standing.until(lambda: len(standing.provider.intervals) > 0)
        (told,) = standing.provider.intervals
        assert (told.symbol, told.cause, told.lost) == ("ESU4", "disconnect", 0)
        assert "cannot be replayed" in told.reason
    assert standing.provider.intervals == (told,), "it is kept when the stream is over"


@pytest.mark.trio
@pytest.mark.parametrize(
    ("code", "error"), [("API_KEY_DEACTIVATED", AuthenticationError), ("INVALID_SUBSCRIPTION", PermanentError)]
)
async def test_permanent_errors_end_the_stream(captures: Path, code: str, error: type[ConsoleError]) -> None:
    """What no new session would mend is raised, and the connection shows it."""
    async with stage(library(captures), acts=[(Act(kind="error", after=5, code=code),)]) as standing:
        await standing.until_sessions(1)
        standing.play(10)
        await standing.until(lambda: bool(standing.errors))
        assert isinstance(standing.errors[0], error)
        assert standing.provider.connection.status is ConnectionStatus.ERROR


@pytest.mark.trio
async def test_a_wrong_key_ends_the_stream(captures: Path) -> None:
    """The gateway's refusal is an authentication error, without the key in any message."""
    async with stage(library(captures), key=ApiKey("db-secretsecretsecretsecretsecret")) as standing:
        await standing.until(lambda: bool(standing.errors))
        (error,) = standing.errors
        assert isinstance(error, AuthenticationError)
        assert "secretsecret" not in f"{error} {error!r} {standing.provider.connection.reason}"


@pytest.mark.trio
async def test_a_connection_limit_is_waited_for(captures: Path) -> None:
    """A refusal for too many connections is tried again later."""
    acts = [(Act(kind="refuse", text="User has reached their open connection limit"),)]
    async with stage(library(captures), acts=acts) as standing:
        connection = standing.provider.connection
        await standing.until(lambda: connection.status is ConnectionStatus.RECONNECTING)
        assert "connection limit" in connection.reason
        assert standing.errors == []


@pytest.mark.trio
async def test_unknown_symbols_say_so(captures: Path) -> None:
    """A symbol that the gateway cannot resolve has a problem; the others stream. Without any other it ends."""
    found = library(captures)
    async with stage(found, symbols=("ESU4", "NOPE")) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until_published(found)
        assert "NOPE" in standing.counters[1].problem
        assert standing.counters[0].problem == "" or "clock" in standing.counters[0].problem
    async with stage(found, symbols=("NOPE",)) as standing:
        await standing.until(lambda: bool(standing.errors))
        assert isinstance(standing.errors[0], NotFoundError)


@pytest.mark.trio
async def test_an_orderly_end_may_be_the_end(captures: Path) -> None:
    """Where the end of the tape ends the stream, `stream` returns with everything published."""
    found = library(captures)
    async with stage(found, ends=True, ends_on_clean_close=True) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until(lambda: standing.provider.connection.status is ConnectionStatus.DISCONNECTED)
        await standing.until_published(found)


@pytest.mark.trio
@pytest.mark.parametrize("act", [Act(kind="mute"), Act(kind="silence", after=0)])
async def test_a_mute_gateway_is_left_at_once(captures: Path, act: Act) -> None:
    """Neither a handshake nor a session without an answer holds up who is cancelled; its thread ends by itself."""
    async with stage(library(captures), acts=[(act,)]) as standing:
        await standing.until(lambda: any(thread.name == "databento" for thread in threading.enumerate()))
        await trio.sleep(0.1)
        began_s = trio.current_time()
    assert trio.current_time() - began_s < 1.0
    with trio.fail_after(5):
        while any(thread.name == "databento" for thread in threading.enumerate()):
            await trio.sleep(0.01)


@pytest.mark.trio
async def test_a_gateway_that_never_greets_is_tried_again(captures: Path) -> None:
    """The client itself would wait half a minute."""
    found = library(captures)
    async with stage(found, acts=[(Act(kind="mute"),)], connect_s=0.3) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until_published(found)
        assert standing.counters[0].reconnects == 0


def two_symbols(captures: Path) -> Library:
    """Two contracts, every other trade belonging to each."""
    found = library(captures)
    records = [
        Stored(each.ts_event_ns, each.schema, 119, each.encoded[:4] + (119).to_bytes(4, "little") + each.encoded[8:])
        if at % 2
        else each
        for at, each in enumerate(found.records)
    ]
    return attrs.evolve(found, names={118: "ESU4", 119: "NQU4"}, records=records)


@pytest.mark.trio
async def test_symbols_come_and_go_while_it_streams(captures: Path) -> None:
    """A symbol that is added is streamed from then on, over a cut too; one that left publishes nothing more."""
    found = two_symbols(captures)
    async with stage(found, acts=[(Act(kind="reset", after=1400),)]) as standing:
        provider, sink = standing.provider, standing.sink
        await standing.until_sessions(1)
        standing.play(400)
        await standing.until(lambda: standing.counters[0].quotes > 180)
        added = provider.subscribe(instrument("NQU4"))
        assert provider.subscribe(instrument("NQU4")) is added
        await standing.until(lambda: any(line.get("symbols") == "NQU4" for line in standing.gateway.asked))
        standing.play(800)
        await standing.until(lambda: added.quotes > 300)
        provider.unsubscribe("ESU4")
        provider.unsubscribe("ESU4")
        before = sink.bytes_of("ESU4", Schema.QUOTES)
        await standing.until(lambda: standing.gateway.tape.position == 1200)
        standing.play()
        await standing.until_sessions(2)
        whole = encoded(found, "mbp-1", "NQU4")
        await standing.until(lambda: whole.endswith(sink.bytes_of("NQU4", Schema.QUOTES)[-80:]))
        await standing.until(lambda: sink.bytes_of("NQU4", Schema.QUOTES)[-80:] == whole[-80:])
        assert whole.endswith(sink.bytes_of("NQU4", Schema.QUOTES)[80 * 10 :])
        assert sink.bytes_of("ESU4", Schema.QUOTES) == before
        again = provider.subscribe(instrument("ESU4"))
        assert again is standing.counters[0]
    with pytest.raises(RefusedError):
        provider.subscribe(instrument())


@pytest.mark.trio
async def test_books_are_withheld_while_nobody_watches_them(captures: Path) -> None:
    """When the session is lost the readers of a book are told to drop it."""
    name = "dbn_test_data.mbp-10.v3.dbn.zst"
    found = read_library([captures / "databento" / name])
    symbol = next(iter(found.names.values()))
    async with stage(found, symbols=(symbol,), acts=[(Act(kind="reset", after=2),)]) as standing:
        await standing.until_sessions(1)
        standing.play()
        await standing.until(lambda: standing.counters[0].book_state is BookState.WITHHELD)
        pushed = standing.sink.bytes_of(symbol, Schema.BOOK)
    fields = MBP10_STRUCT.unpack(pushed[-MBP10_STRUCT.size :])
    assert pushed[: -MBP10_STRUCT.size] == b"".join(each.encoded for each in found.records)
    assert fields[2:4] == (1, found.records[0].instrument_id)
    assert fields[9] & F_MAYBE_BAD_BOOK
