"""The whole engine beside a real PostgreSQL and a real Redis, which go and come back while it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from console.journal import Journal
from console.plan import CachePlan, EnginePlan, StorePlan
from console.supervise import Engine
from core.errors import ConfigurationError
from core.model.records import Schema
from core.store.postgres.books import PostgresBooks
from core.store.postgres.reading import PostgresReader
from core.store.postgres.verify import verify_database
from core.store.repository import SeriesKey
from ringbuf.control import ControlClient
from tests.servers.postgres import PostgresServer
from tests.servers.redis import RedisServer
from tests.simulator.test_engine import make_plan

DEADLINE_S = 120
KINDS = {Schema.TRADES: "trades", Schema.QUOTES: "quotes", Schema.BOOK: "book_updates"}


class Console:
    """What an operator can ask of a running engine."""

    def __init__(self, path: Path) -> None:
        self._client = ControlClient(path, timeout_s=20)

    def close(self) -> None:
        """Let go."""
        self._client.close()

    async def ask(self, operation: str, **asked: Any) -> dict[str, Any]:
        """One answer."""
        return await trio.to_thread.run_sync(lambda: self._client.request(operation, **asked))

    async def until(self, enough: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first status that satisfies `enough`."""
        while True:
            status = await self.ask("status")
            if enough(status):
                return status
            await trio.sleep(0.05)


def plan_with(database_url: str, redis_url: str = "") -> EnginePlan:
    """A simulated market that is stored in the database and cached."""
    store = StorePlan(sync_s=0.1, database_url=database_url)
    return make_plan("BTCUSD", "ETHUSD", store=store, cache=CachePlan(redis_url=redis_url))


async def run(plan: EnginePlan, act: Callable[[Console], Any]) -> dict[str, Any]:
    """Run an engine while `act` does something with it; its summary."""
    engine = Engine(plan, Journal())
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            path: Path = await nursery.start(engine.run)
            console = Console(path)
            try:
                await act(console)
            finally:
                console.close()
            engine.stop()
    return engine.summary


def assert_all_there(url: str, summary: dict[str, Any]) -> None:
    """Everything that was published is in the database, each record once, and the counts say so."""
    reader = PostgresReader(url)
    for row in summary["feeds"]:
        for schema, name in KINDS.items():
            series = SeriesKey(row["venue"], row["symbol"], schema)
            stored = reader.read_numbered(series, 0, 2**63)
            rings = [ring for ring in summary["rings"] if ring["name"].endswith(_ring_name(series))]
            assert len(stored.records) == rings[0]["committed"], (series, name)
            if schema is Schema.TRADES:
                assert stored.ids.tolist() == sorted(set(stored.ids.tolist()))
    totals = {stats.series: stats for stats in reader.stats()}
    counted = sum(stats.rows for series, stats in totals.items() if series.schema is Schema.TRADES)
    assert summary["store"]["rows"] == counted
    assert summary["store"]["lost"] == summary["store"]["quotes"]["lost"] == 0
    reader.close()


def _ring_name(series: SeriesKey) -> str:
    suffix = "" if series.schema is Schema.TRADES else f".{series.schema.value}"
    return f"__{series.symbol}_{series.venue}{suffix}"


@pytest.mark.trio
async def test_an_engine_stores_in_the_database(migrated_url: str) -> None:
    """What is streamed is in the database when the engine has ended, instruments too, and the store tells of it."""

    async def act(console: Console) -> None:
        await console.until(lambda status: status["store"]["rows"] >= 100)
        store = await console.ask("store")
        assert (store["kind"], store["spill"]["mode"]) == ("postgres", "direct")
        assert {row["symbol"] for row in store["series"]} == {"BTCUSD", "ETHUSD"}

    summary = await run(plan_with(migrated_url), act)
    await trio.to_thread.run_sync(assert_all_there, migrated_url, summary)
    books = PostgresBooks(migrated_url)
    described = {instrument.symbol for instrument in books.instruments()}
    books.close()
    assert described == {row["symbol"] for row in summary["feeds"]}


@pytest.mark.trio
async def test_servers_go_and_come_back(
    migrated_url: str, redis_url: str, postgres_server: PostgresServer, redis_server: RedisServer
) -> None:
    """While the database and Redis are killed the engine says so and goes on; afterwards nothing is missing."""

    async def act(console: Console) -> None:
        await console.until(lambda status: status["store"]["rows"] >= 50)
        await trio.to_thread.run_sync(postgres_server.kill)
        await trio.to_thread.run_sync(redis_server.kill)
        down = await console.until(lambda status: status["store"]["spill"]["spilled_rows"] >= 300)
        assert down["store"]["spill"]["mode"] == "spilling"
        assert down["store"]["spill"]["problem"]
        away = await console.until(lambda status: status["cache"]["redis"] == "down")
        assert away["cache"]["failures"] > 0
        store = await console.ask("store")
        assert store["problem"]
        recent = await console.ask("recent", venue=down["feeds"][0]["venue"], symbol=down["feeds"][0]["symbol"])
        assert recent["trades"]  # from memory
        await trio.to_thread.run_sync(postgres_server.start)
        await trio.to_thread.run_sync(redis_server.start)
        back = await console.until(
            lambda status: status["store"]["spill"]["mode"] == "direct" and status["cache"]["redis"] == "up"
        )
        assert back["store"]["spill"]["replayed_rows"] >= 300
        assert back["store"]["spill"]["spilled_rows"] == 0

    summary = await run(plan_with(migrated_url, redis_url), act)
    await trio.to_thread.run_sync(assert_all_there, migrated_url, summary)


@pytest.mark.trio
async def test_an_engine_ends_while_the_database_is_away(migrated_url: str, postgres_server: PostgresServer) -> None:
    """An engine that ends during an outage keeps what waits and says how much; the next one brings it to the database
    and counts it apart."""

    async def act(console: Console) -> None:
        await console.until(lambda status: status["store"]["rows"] >= 50)
        await trio.to_thread.run_sync(postgres_server.stop)
        await console.until(lambda status: status["store"]["spill"]["spilled_rows"] >= 200)

    first = await run(plan_with(migrated_url), act)
    await trio.to_thread.run_sync(postgres_server.start)

    async def wait(console: Console) -> None:
        await console.until(
            lambda status: status["store"]["spill"]["mode"] == "direct" and status["store"]["rows"] >= 50
        )

    second = await run(plan_with(migrated_url), wait)
    reader = PostgresReader(migrated_url)
    stored = sum(stats.rows for stats in reader.stats() if stats.series.schema is Schema.QUOTES)
    reader.close()
    published = sum(
        ring["committed"] for summary in (first, second) for ring in summary["rings"] if ring["schema"] == "mbp-1"
    )
    assert stored == published
    assert first["store"]["waiting"] >= 200
    assert accounted(first) == sum(ring["committed"] for ring in first["rings"])
    assert second["store"]["replayed"] > 0
    assert accounted(second) == sum(ring["committed"] for ring in second["rings"])


def accounted(summary: dict[str, Any]) -> int:
    """What a summary says of the records that were received."""
    store = summary["store"]
    names = ("rows", "duplicates", "rejected", "lost")
    return int(store["waiting"]) + sum(
        int(part[name]) for part in (store, store["quotes"], store["book_updates"]) for name in names
    )


@pytest.mark.trio
@pytest.mark.parametrize("away", [False, True])
async def test_a_stop_is_a_gap_in_the_database(
    migrated_url: str, postgres_server: PostgresServer, *, away: bool
) -> None:
    """What was not streamed between two runs has its cause, also when the database is away as the second begins."""

    async def first(console: Console) -> None:
        await console.until(lambda status: status["store"]["rows"] >= 150)

    async def second(console: Console) -> None:
        if away:
            await trio.to_thread.run_sync(postgres_server.start)
        while {gap["symbol"] for gap in (await console.ask("store"))["gaps"]} != {"BTCUSD", "ETHUSD"}:
            await trio.sleep(0.05)
        await console.until(lambda status: status["store"]["spill"]["mode"] == "direct")

    await run(plan_with(migrated_url), first)
    assert await trio.to_thread.run_sync(findings, migrated_url) == set()
    if away:
        await trio.to_thread.run_sync(postgres_server.stop)
    await run(plan_with(migrated_url), second)
    assert await trio.to_thread.run_sync(findings, migrated_url) == {
        ("BTCUSD", "warning", "known_gap", "not streamed"),
        ("ETHUSD", "warning", "known_gap", "not streamed"),
    }


def findings(url: str) -> set[tuple[str, str, str, str]]:
    """What the check of the database finds, and the end of what it says."""
    return {
        (one.series.symbol, one.severity, one.code, one.message.rpartition(": ")[2]) for one in verify_database(url)
    }


@pytest.mark.trio
async def test_a_database_that_was_never_migrated_is_refused(postgres_url: str) -> None:
    """An engine does not start on a database without its tables, and says what to do."""
    with pytest.raises(ConfigurationError, match="db migrate"):
        await Engine(plan_with(postgres_url), Journal()).run()


@pytest.mark.trio
async def test_a_database_that_is_not_there_yet_is_waited_for(postgres_server: PostgresServer) -> None:
    """An engine starts while nothing answers at the database's address, and spills."""
    url = postgres_server.url_of("nowhere_yet")
    await trio.to_thread.run_sync(postgres_server.stop)
    try:

        async def act(console: Console) -> None:
            waiting = await console.until(lambda status: status["store"]["spill"]["spilled_rows"] >= 50)
            assert waiting["store"]["spill"]["mode"] == "spilling"

        await run(plan_with(url), act)
    finally:
        await trio.to_thread.run_sync(postgres_server.start)
