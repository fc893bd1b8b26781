"""The server for Prometheus: two pages, over real sockets, whatever is sent to it."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import attrs
import numpy as np
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from console.metrics import exporter
from console.metrics.exporter import Pages, serve_metrics
from core.errors import ConfigurationError
from core.telemetry.frame import Column, Frame
from core.telemetry.series import PREFIX

DEADLINE_S = 10


@attrs.define
class Engine:
    """What stands behind the pages: how often it was asked, and what is wrong with it."""

    asked: int = 0
    wrong: str = ""
    breaks: bool = False

    async def frame(self) -> Frame:
        """One series."""
        self.asked += 1
        if self.breaks:
            raise ZeroDivisionError
        return Frame(1, {f"{PREFIX}store_up": Column(((),), np.array([1.0]))})

    def problem(self) -> str:
        """What is wrong."""
        return self.wrong

    @property
    def pages(self) -> Pages:
        """Its pages."""
        return Pages(self.frame, self.problem)


@asynccontextmanager
async def serving(engine: Engine) -> AsyncIterator[int]:
    """The port at which it is answered."""
    with trio.fail_after(DEADLINE_S):
        async with trio.open_nursery() as nursery:
            yield await nursery.start(serve_metrics, 0, engine.pages)
            nursery.cancel_scope.cancel()


async def said_to(port: int, sent: bytes, *, host: str = "127.0.0.1", ending: bool = False) -> bytes:
    """All that comes back for some bytes, until the other side closes."""
    stream = await trio.open_tcp_stream(host, port)
    received = b""
    async with stream:
        try:
            await stream.send_all(sent)
            if ending:
                await stream.send_eof()
            async for chunk in stream:
                received += chunk
        except trio.BrokenResourceError:
            pass  # it closed with something unread, which it may
    return received


def a_request(path: str = "/metrics", *, method: str = "GET", host: str = "localhost", more: str = "") -> bytes:
    """A request as a client sends it."""
    return f"{method} {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode()


def status_of(answer: bytes) -> int:
    """The status of an answer; 0 for none."""
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.trio
async def test_prometheus_gets_the_text() -> None:
    """With its type and length, on a connection that is then closed; from IPv6, too."""
    async with serving(Engine()) as port:
        for host in ("127.0.0.1", "::1"):
            answer = await said_to(port, a_request(host=f"localhost:{port}"), host=host)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"content-type: text/plain; version=0.0.4; charset=utf-8" in head.lower()
            assert f"content-length: {len(body)}".encode() in head.lower()
            assert b"connection: close" in head.lower()
            assert body.endswith(b"ringside_store_up 1\n")


@pytest.mark.trio
async def test_health_is_a_word_or_a_reason() -> None:
    """200 with ok, 503 with why."""
    async with serving(Engine()) as port:
        answer = await said_to(port, a_request("/healthz"))
        assert (status_of(answer), answer.rpartition(b"\r\n")[2]) == (200, b"ok\n")
    async with serving(Engine(wrong="storing fails: disk full")) as port:
        answer = await said_to(port, a_request("/healthz"))
        assert (status_of(answer), answer.rpartition(b"\r\n")[2]) == (503, b"storing fails: disk full\n")


@pytest.mark.trio
async def test_a_head_has_no_body() -> None:
    """It says how long the page is, and not what is on it."""
    async with serving(Engine()) as port:
        answer = await said_to(port, a_request(method="HEAD"))
        assert status_of(answer) == 200
        assert answer.endswith(b"\r\n\r\n")
        assert b"content-length: 0" not in answer.lower()


@pytest.mark.trio
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (a_request("/"), 404),
        (a_request("/metrics/../secret"), 404),
        (a_request("http://evil.example/metrics"), 404),
        (a_request("*", method="OPTIONS"), 404),
        (a_request("/metrics?name=x"), 200),
        (a_request(method="POST", more="Content-Length: 5\r\n"), 405),
        (a_request(method="DELETE"), 405),
        (a_request(host="evil.example"), 403),
        (a_request(host="localhost.evil.example"), 403),
        (a_request(host="evil.example:9464"), 403),
        (a_request(host=""), 403),
        (a_request(host="localhost:x"), 403),
        (a_request(host="[::1]"), 200),
        (a_request(host="[::1]:9464"), 200),
        (a_request(host="LOCALHOST:1"), 200),
        (a_request(host="127.0.0.1:9464"), 200),
        (a_request(more="Host: evil.example\r\n"), 400),
        (b"GET /metrics HTTP/1.1\r\n\r\n", 400),
        (b"GET /metrics HTTP/1.0\r\n\r\n", 403),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n", 400),
        (b"\x00" * 5000 + b"\n\n", 400),
        (b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 9000, 431),
        (b"GET /" + b"a" * 9000, 431),
        (a_request(more="A B: c\r\n"), 400),
        (a_request(more="Content-Length: -1\r\n"), 400),
    ],
)
async def test_whatever_is_asked_gets_one_answer(sent: bytes, status: int) -> None:
    """Other paths, methods, names and bytes that are no request; whoever comes next is served."""
    engine = Engine()
    async with serving(engine) as port:
        answer = await said_to(port, sent)
        assert status_of(answer) in {status, 0}  # what it did not read may cost the answer
        if status in {200, 403, 404, 405}:
            assert status_of(answer) == status
        assert engine.asked == (status == 200)
        assert status_of(await said_to(port, a_request())) == 200


@pytest.mark.trio
async def test_who_leaves_is_not_missed() -> None:
    """Before a request, in the middle of one, and while the answer is on its way."""
    async with serving(Engine()) as port:
        assert await said_to(port, b"", ending=True) == b""
        await said_to(port, b"GET /met", ending=True)
        for _ in range(20):
            stream = await trio.open_tcp_stream("127.0.0.1", port)
            stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
            await stream.send_all(a_request())
            await stream.aclose()
        assert status_of(await said_to(port, a_request())) == 200


@pytest.mark.trio
async def test_only_some_are_served_at_once() -> None:
    """Those that hold a connection without a word keep the others out, who are told so, until they leave."""
    async with serving(Engine()) as port:
        idle = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(exporter.MAX_CONNECTIONS)]
        while status_of(answer := await said_to(port, a_request())) != 503:
            await trio.sleep(0.01)  # until the last of them was taken in
        assert b"too many connections" in answer
        for stream in idle:
            await stream.aclose()
        while status_of(await said_to(port, a_request())) != 200:
            await trio.sleep(0.01)


@pytest.mark.trio
async def test_many_who_ask_cost_no_more_than_one() -> None:
    """A page is made anew after half a second, and not before."""
    engine = Engine()
    async with serving(engine) as port:
        for _ in range(10):
            assert status_of(await said_to(port, a_request())) == 200
        assert engine.asked <= 2


@pytest.mark.trio
async def test_a_page_that_cannot_be_made_ends_nothing() -> None:
    """It is answered with an error; the next is made when it can be."""
    engine = Engine(breaks=True)
    pages = engine.pages
    answer = await pages(exporter.METRICS)
    assert (answer.status, answer.body) == (500, b"the figures cannot be told; the log says why\n")
    assert (await pages(exporter.HEALTH)).status == 200
    engine.breaks = False
    await trio.sleep(exporter.FRESH_S)
    assert (await pages(exporter.METRICS)).status == 200


async def talk(pages: Pages, client: Callable[[trio.abc.Stream], Awaitable[None]]) -> float:
    """Let a client talk to the server over a pipe, and return how long that took by the clock of the test."""
    near, far = memory_stream_pair()
    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exporter._serve_one, pages, trio.CapacityLimiter(1), far)
        await client(near)
    return trio.current_time() - began_s


@pytest.mark.trio
async def test_a_request_that_drips_is_given_up(autojump_clock: MockClock) -> None:
    """One byte a second never becomes a request: it is answered after the time that a request has."""

    async def drip(stream: trio.abc.Stream) -> None:
        received = b""
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                for byte in a_request() * 10:
                    await stream.send_all(bytes([byte]))
                    await trio.sleep(1)

            nursery.start_soon(send)
            async for chunk in stream:
                received += chunk
            nursery.cancel_scope.cancel()
        assert status_of(received) == 408

    assert await talk(Engine().pages, drip) == pytest.approx(exporter.REQUEST_S)


@pytest.mark.trio
async def test_who_does_not_read_is_given_up(autojump_clock: MockClock) -> None:
    """A client that takes no answer holds its connection no longer than an answer may take."""
    near, far = memory_stream_pair()
    assert isinstance(far.send_stream, trio.testing.MemorySendStream)
    far.send_stream.send_all_hook = trio.sleep_forever
    await near.send_all(a_request())
    began_s = trio.current_time()
    await exporter._serve_one(Engine().pages, trio.CapacityLimiter(1), far)
    assert trio.current_time() - began_s == pytest.approx(exporter.ANSWER_S)


@pytest.mark.trio
async def test_a_port_that_is_taken_is_said_with_a_hint() -> None:
    """On IPv4 or on IPv6, whoever has it; the address that is taken is named."""
    places = ((socket.AF_INET, "127.0.0.1", r"127\.0\.0\.1"), (socket.AF_INET6, "::1", r"\[::1\]"))
    for family, host, said in places:
        with socket.socket(family) as taken:
            taken.bind((host, 0))
            taken.listen()
            port = taken.getsockname()[1]
            with pytest.raises(ConfigurationError, match=f" {said}:{port}: ") as refused:
                await serve_metrics(port, Engine().pages)
            assert "--metrics-port" in refused.value.hint
            assert refused.value.exit_code == 3


@pytest.mark.trio
async def test_it_listens_on_loopback_alone() -> None:
    """An address of this machine that others reach has nothing there."""
    async with serving(Engine()) as port:
        with socket.socket(socket.AF_INET) as other:
            other.bind(("127.0.0.2", port))  # which nobody else has
