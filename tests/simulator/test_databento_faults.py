"""The simulated Databento's faults through the vendor's own client and the whole engine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio

from config.paths import find_paths
from console.plan import FeedPlan
from console.venues import find_endpoints
from console.wiring import make_provider
from core.errors import ConsoleError, ResourceExhaustedError, TransientError, single_error
from core.model.records import Schema
from core.store.history import EmbeddedHistory
from core.store.repository import SeriesKey
from providers.databento.key import VARIABLE
from providers.databento.provider import Databento
from providers.simulated.databento_archive import RETRY_AFTER_S
from tests.simulator.test_engine import feed_of, make_plan, run_until
from tests.unit.providers.databento.support import MemorySink

DEADLINE_S = 60.0


@asynccontextmanager
async def provider(
    faults: str, monkeypatch: pytest.MonkeyPatch, *, silence_s: float = 1.0
) -> AsyncIterator[Databento]:
    """A provider at a simulated vendor with these faults, found as the engine finds it."""
    monkeypatch.delenv(VARIABLE, raising=False)
    plan = FeedPlan(provider="databento", simulated=True, faults=faults)
    with trio.fail_after(DEADLINE_S), single_error():
        async with trio.open_nursery() as nursery:
            endpoints, _ = await find_endpoints(plan, nursery)
            made = make_provider(plan, endpoints)
            assert isinstance(made, Databento)
            made._plan = attrs.evolve(made._plan, silence_s=silence_s, heartbeat_s=5)
            yield made
            nursery.cancel_scope.cancel()


async def _streamed(made: Databento, trades: int, *, reconnects: int = 0, reason: str = "") -> MemorySink:
    """What was published of one symbol until there were so many trades, reconnects, and that reason was seen."""
    sink, seen = MemorySink(), reason == ""
    made._symbols = ("BTCUSD",)
    instruments = list((await made.catalogue()).instruments())
    async with trio.open_nursery() as nursery:
        (counters,) = await nursery.start(made.stream, instruments, sink)
        while counters.trades < trades or made.connection.reconnects < reconnects or not seen:
            seen = seen or reason in made.connection.reason
            await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert (counters.gaps, counters.rejected) == (0, 0)
    return sink


def _assert_whole(sink: MemorySink) -> None:
    """Every trade once, in order: the generator numbers them by one."""
    sequences = np.frombuffer(sink.bytes_of("BTCUSD", Schema.TRADES), Schema.TRADES.dtype)["sequence"]
    assert (np.diff(sequences.astype(np.int64)) == 1).all()


@pytest.mark.trio
@pytest.mark.parametrize(
    "faults", ["close=150", "disconnect=150", "malformed=150", "error=150", "half-open=150", "disconnect=1.5s"]
)
async def test_a_session_that_ends_loses_nothing(monkeypatch: pytest.MonkeyPatch, faults: str) -> None:
    """However the gateway ends its sessions, by count or by the clock, the tape is whole, and what was made good is
    told."""
    async with provider(faults, monkeypatch) as made:
        sink = await _streamed(made, 10, reconnects=2)
        told = made.intervals
    _assert_whole(sink)
    assert all((each.venue, each.symbol, each.cause) == ("SIM.DATABENTO", "BTCUSD", "disconnect") for each in told)
    assert all(each.recovered > 0 and not each.lost and each.start_ns < each.end_ns for each in told)


@pytest.mark.trio
async def test_a_refused_client_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second client is turned away; the one after it is served."""
    async with provider("refuse=2,disconnect=150", monkeypatch) as made:
        _assert_whole(await _streamed(made, 10, reconnects=1, reason="connection limit"))


@pytest.mark.trio
async def test_a_warning_is_shown_and_nothing_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gateway says that it is read too slowly, and goes on."""
    async with provider("slow-reader=40", monkeypatch) as made:
        _assert_whole(await _streamed(made, 10, reason="more slowly"))
        assert made.connection.reconnects == 0


@pytest.mark.trio
@pytest.mark.parametrize(
    ("faults", "error"),
    [
        ("rate-limit=1", ResourceExhaustedError),
        ("server-error=1", TransientError),
        ("half-answer=1", TransientError),
        ("maintenance=1", ConsoleError),
        ("corrupt=1", ConsoleError),
        ("wrong-schema=1", ConsoleError),
    ],
)
async def test_an_archive_that_fails_is_an_error_of_its_kind(
    monkeypatch: pytest.MonkeyPatch, faults: str, error: type[ConsoleError]
) -> None:
    """Never a traceback, never a catalogue that is half of one."""
    async with provider(faults, monkeypatch) as made:
        made._symbols = ("BTCUSD",)
        with pytest.raises(error) as caught:
            await made.catalogue()
    assert str(caught.value).isprintable()
    if isinstance(caught.value, ResourceExhaustedError):
        assert caught.value.retry_after_s == RETRY_AFTER_S


def _sequences(rows: Sequence[dict[str, Any]], directory: Path) -> dict[str, list[int]]:
    history = EmbeddedHistory(directory)
    return {
        row["symbol"]: history.read(SeriesKey(row["venue"], row["symbol"], Schema.TRADES), 0, 2**62)[
            "sequence"
        ].tolist()
        for row in rows
    }


@pytest.mark.trio
async def test_an_engine_gets_on_with_a_vendor_that_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--faults`: the store holds every trade once, in order, and the cuts are counted."""
    monkeypatch.delenv(VARIABLE, raising=False)
    plan = make_plan("BTCUSD", "ETHUSD", provider="databento", faults="disconnect=300,slow-reader=70")

    def enough(status: dict[str, Any]) -> bool:
        rows = [feed_of(status, name) for name in ("BTCUSD", "ETHUSD")]
        return all(row["trades"] >= 10 and row["reconnects"] >= 1 for row in rows)

    summary = await run_until(plan, enough)
    assert summary["store"]["lost"] == summary["store"]["rejected"] == 0
    for sequences in _sequences(summary["feeds"], find_paths().data / "ticks").values():
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
