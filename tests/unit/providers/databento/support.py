"""What the Databento tests share: a key, real samples as a library, a sink that remembers."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from core.model.instruments import Instrument
from core.model.records import Schema
from providers.databento.history import History, RangeRequest
from providers.databento.key import ApiKey
from providers.simulated.databento_archive import RunningArchive, serve_archive
from providers.simulated.databento_library import Library, read_library

KEY = ApiKey("db-abcdefghijklmnopqrstuvwxyz012")
TRADES = "naut_futures_trades_2024-07-01T23-58_2024-07-02T00-02.dbn.zst"
QUOTES = "naut_futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst"
BARS = "naut_futures_ohlcv-1m_2024-05-09T09-55_2024-05-09T10-05.dbn.zst"


def library(captures: Path, *names: str) -> Library:
    """The library of real samples."""
    return read_library([captures / "databento" / name for name in names or (TRADES, QUOTES)])


def whole_range(found: Library, schema: str = "trades") -> RangeRequest:
    """A request for everything of a schema."""
    start_ns, end_ns = found.span_ns
    symbols = tuple(dict.fromkeys(found.names.values()))
    return RangeRequest(dataset=found.dataset, schema=schema, symbols=symbols, start_ns=start_ns, end_ns=end_ns)


@asynccontextmanager
async def archive(found: Library, *, key: ApiKey = KEY) -> AsyncIterator[tuple[History, RunningArchive]]:
    """A running archive with `found`, and the real client pointed at it."""
    async with trio.open_nursery() as nursery:
        running: RunningArchive = await nursery.start(lambda task_status: _serve(found, task_status))
        before = os.environ.get("REQUESTS_CA_BUNDLE")
        os.environ["REQUESTS_CA_BUNDLE"] = str(running.certificate)
        try:
            yield History(key, running.rest_url), running
        finally:
            if before is None:
                del os.environ["REQUESTS_CA_BUNDLE"]
            else:
                os.environ["REQUESTS_CA_BUNDLE"] = before
            nursery.cancel_scope.cancel()


async def _serve(found: Library, task_status: trio.TaskStatus[RunningArchive]) -> None:
    await serve_archive(found, key=KEY.value, task_status=task_status)


class MemorySink:
    """Keeps what is pushed, by symbol and schema."""

    def __init__(self) -> None:
        self.channels: dict[tuple[str, Schema], MemoryChannel] = {}

    def channel(self, instrument: Instrument, schema: Schema) -> MemoryChannel:
        """The same channel for the same thing."""
        return self.channels.setdefault((instrument.symbol, schema), MemoryChannel())

    def bytes_of(self, symbol: str, schema: Schema) -> bytes:
        """Everything that was pushed there."""
        return bytes(self.channels[symbol, schema].pushed) if (symbol, schema) in self.channels else b""


class MemoryChannel:
    """A channel into memory."""

    def __init__(self) -> None:
        self.pushed = bytearray()

    def push(self, records: bytes, newest_id: int = 0) -> None:
        """Keep them."""
        assert newest_id == 0
        self.pushed += records
