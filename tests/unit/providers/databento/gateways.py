"""A running gateway and a provider pointed at it, for the tests of the live side."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

from core.errors import ConsoleError
from core.model.instruments import Instrument, Product
from core.model.records import Schema
from providers.base import Endpoints, FeedCounters
from providers.databento.key import ApiKey
from providers.databento.live import SessionPlan
from providers.databento.names import GatewayAddress
from providers.databento.provider import Databento
from providers.simulated.databento_gateway import RunningGateway, serve_gateway
from providers.simulated.databento_library import Library
from tests.unit.providers.databento.support import KEY, MemorySink

PATIENCE_S = 20.0


def instrument(symbol: str = "ESU4") -> Instrument:
    """A future of the exchange."""
    return Instrument(
        venue="GLBX.MDP3",
        symbol=symbol,
        venue_symbol=symbol,
        canonical=symbol,
        base="ES",
        quote="USD",
        settle="USD",
        product=Product.LINEAR_FUTURE,
        price_decimals=2,
        quantity_decimals=0,
        price_increment_e9=250_000_000,
        quantity_increment_e8=100_000_000,
    )


def encoded(library: Library, schema: str, symbol: str = "ESU4") -> bytes:
    """Everything a library has of a symbol in a schema."""
    wanted = library.numbers([symbol])[symbol]
    return b"".join(
        each.encoded for each in library.records if each.schema == schema and each.instrument_id == wanted
    )


@attrs.define(kw_only=True)
class Stage:
    """A provider that streams from a gateway into a sink."""

    gateway: RunningGateway
    provider: Databento
    sink: MemorySink
    counters: Sequence[FeedCounters] = ()
    errors: list[BaseException] = attrs.Factory(list)

    def play(self, count: int = 1_000_000) -> None:
        """Let records happen."""
        self.gateway.tape.advance(count)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds."""
        with trio.fail_after(PATIENCE_S):
            while not condition():
                await trio.sleep(0.005)

    async def until_sessions(self, count: int) -> None:
        """Wait until so many sessions were begun."""
        await self.until(lambda: self.sessions >= count)

    @property
    def sessions(self) -> int:
        """How many sessions were begun."""
        return sum("start_session" in line for line in self.gateway.asked)

    async def until_published(self, library: Library) -> None:
        """Wait until all that a library holds of ESU4 is in the sink, byte for byte."""
        expected = {schema: encoded(library, schema.value) for schema in (Schema.TRADES, Schema.QUOTES)}
        await self.until(
            lambda: all(len(self.sink.bytes_of("ESU4", schema)) >= len(e) for schema, e in expected.items())
        )
        assert {schema: self.sink.bytes_of("ESU4", schema) for schema in expected} == expected


@asynccontextmanager
async def stage(
    library: Library, *, key: ApiKey = KEY, symbols: Sequence[str] = ("ESU4",), **more: Any
) -> AsyncIterator[Stage]:
    """A gateway with `library` and a provider that streams `symbols` from it; `more` goes to their makers."""
    served = {name: more.pop(name) for name in ("records_per_s", "heartbeat_s", "ends") if name in more}
    acts = more.pop("acts", ())
    ends, bars = more.pop("ends_on_clean_close", False), more.pop("bars", ())
    plan = SessionPlan(
        key=key, dataset="", address=GatewayAddress(), symbols=(), starts={}, **({"connect_s": 5.0} | more)
    )
    async with trio.open_nursery() as nursery:

        async def serve(task_status: trio.TaskStatus[RunningGateway]) -> None:
            await serve_gateway(library, key=KEY.value, task_status=task_status, **served)

        gateway: RunningGateway = await nursery.start(serve)
        gateway.sessions.extend(acts)
        endpoints = Endpoints(stream_url=gateway.address, rest_url="https://127.0.0.1:9", ends_on_clean_close=ends)
        provider = Databento(library.dataset, symbols, endpoints, bars=bars, key=key, session=plan)
        standing = Stage(gateway=gateway, provider=provider, sink=MemorySink())

        async def stream(task_status: trio.TaskStatus[Sequence[FeedCounters]]) -> None:
            try:
                await provider.stream([instrument(each) for each in symbols], standing.sink, task_status=task_status)
            except ConsoleError as error:
                standing.errors.append(error)

        standing.counters = await nursery.start(stream)
        yield standing
        nursery.cancel_scope.cancel()
