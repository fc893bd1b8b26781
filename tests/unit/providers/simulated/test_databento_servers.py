"""The simulated Databento by itself: what it makes of bad input, and how its market grows."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from core.errors import NotFoundError, PermanentError
from core.model.records import MBP10_STRUCT, TRADE_STRUCT
from providers.simulated import databento_market
from providers.simulated.databento_archive import RunningArchive, serve_archive
from providers.simulated.databento_gateway import RunningGateway, serve_gateway
from providers.simulated.databento_library import Library, read_library
from providers.simulated.databento_market import PUBLISHER, MarketTape
from providers.simulated.market import MarketSource

LET_IN = "Authorization: Basic a2V5Og==\r\n"
EMPTY = Library(dataset="GLBX.MDP3", names={1: "ESU4"}, records=[])


@asynccontextmanager
async def servers() -> AsyncIterator[tuple[RunningGateway, RunningArchive]]:
    """Both, without any record."""

    async def gateway(task_status: trio.TaskStatus[RunningGateway]) -> None:
        await serve_gateway(EMPTY, key="key", task_status=task_status)

    async def archive(task_status: trio.TaskStatus[RunningArchive]) -> None:
        await serve_archive(EMPTY, key="key", task_status=task_status)

    async with trio.open_nursery() as nursery:
        yield await nursery.start(gateway), await nursery.start(archive)
        nursery.cancel_scope.cancel()


async def said(stream: trio.abc.Stream) -> bytes:
    """Everything until the other side ends; the stream is closed then."""
    received = b""
    try:
        with trio.fail_after(10):
            while chunk := await stream.receive_some(4096):
                received += chunk
    except trio.BrokenResourceError:
        pass
    await trio.aclose_forcefully(stream)
    return received


@pytest.mark.trio
@pytest.mark.parametrize("line", [b"\n", b"auth=x\n", b"|||===\n", b"\xff\xfe\n", b"auth=" + b"x" * 100_000, b""])
async def test_a_gateway_survives_bad_greetings(line: bytes) -> None:
    """Whoever cannot say the key is refused, and the next client is served."""
    async with servers() as (gateway, _):
        host, port = gateway.address.split(":")
        for _ in range(2):
            stream = await trio.open_tcp_stream(host, int(port))
            await stream.receive_some(4096)
            try:
                await stream.send_all(line)
                await stream.send_eof()
            except trio.BrokenResourceError:
                pass
            assert b"success=1" not in await said(stream)


@pytest.mark.trio
@pytest.mark.parametrize(
    "request_text",
    [
        "nonsense\r\n\r\n",
        "GET /v0/metadata.list_datasets HTTP/1.1\r\nHost: x\r\n\r\n",
        f"POST /v0/timeseries.get_range HTTP/1.1\r\nHost: x\r\n{LET_IN}Content-Length: 3\r\n\r\n\udcff=1",
        "POST /v0/timeseries.get_range HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n\udcff=1",
        f"GET /etc/passwd HTTP/1.1\r\nHost: x\r\n{LET_IN}\r\n",
    ],
)
async def test_an_archive_survives_bad_requests(request_text: str) -> None:
    """It answers with a refusal or closes, and serves the next one."""
    async with servers() as (_, archive):
        context = ssl.create_default_context(cafile=str(archive.certificate))
        port = int(archive.rest_url.rpartition(":")[2])
        for _ in range(2):
            stream = trio.SSLStream(
                await trio.open_tcp_stream("127.0.0.1", port),
                context,
                server_hostname="127.0.0.1",
                https_compatible=True,
            )
            await stream.send_all(request_text.encode("utf-8", "surrogateescape"))
            answer = await said(stream)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4")


def test_files_that_make_no_library(captures: Path, tmp_path: Path) -> None:
    """Missing files, others' files and two datasets are errors in words."""
    (tmp_path / "text").write_text("text", encoding="utf-8")
    samples = captures / "databento"
    with pytest.raises(NotFoundError):
        read_library([tmp_path / "none"])
    with pytest.raises(PermanentError):
        read_library([tmp_path / "text"])
    with pytest.raises(PermanentError):
        read_library([samples / "dbn_test_data.trades.dbn", samples / "dbn_test_data.definition.dbn"])
    with pytest.raises(PermanentError):
        read_library([])


def test_a_market_tape_grows_and_forgets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records come in the order of time, numbered on; the oldest go, the definitions stay."""
    monkeypatch.setattr(databento_market, "KEPT_RECORDS", 1000)
    source = MarketSource(7, ["BTCUSD", "ETHUSD"], rate=50.0)
    market = MarketTape(source)

    async def run() -> None:
        with trio.move_on_after(30):
            await market.run()

    trio.run(run, clock=MockClock(autojump_threshold=0))
    tape, records = market.tape, market.library.records
    assert tape.base > 0
    assert tape.position == tape.end == tape.base + len(records)
    assert len(records) <= 1000 * 9 // 8
    assert [each.schema for each in records[:3]] == ["definition", "definition", records[2].schema]
    times = [each.ts_event_ns for each in records[2:]]
    assert times == sorted(times)
    trades = [TRADE_STRUCT.unpack(each.encoded) for each in records if each.schema == "trades"]
    assert trades
    assert all(fields[2] == PUBLISHER and fields[6] > 0 and fields[8] in {b"A", b"B"} for fields in trades)
    books = [MBP10_STRUCT.unpack(each.encoded) for each in records if each.schema == "mbp-10"]
    assert all(fields[14] < fields[15] for fields in books)
    assert len(tape.between(0, tape.end)) == len(records)
    assert tape.between(tape.end - 1, tape.end) == records[-1:]
