"""The REST client against a real server on loopback, mostly an ill-behaved one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
import trio

from core.errors import (
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from providers.venue import http_client
from providers.venue.http_client import get_json

DEADLINE_S = 20.0


@asynccontextmanager
async def server(answer: bytes, requests: list[bytes] | None = None) -> AsyncIterator[str]:
    """A TCP server that answers every request with `answer` and closes; yields its base URL."""

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            asked = await stream.receive_some(65536)
            if requests is not None:
                requests.append(bytes(asked))
            try:
                await stream.send_all(answer)
            except trio.BrokenResourceError:
                return

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """An HTTP/1.1 answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def ask(url: str, **options: object) -> dict[str, int]:
    """One request for an object of numbers."""
    decode = msgspec.json.Decoder(dict[str, int]).decode
    with trio.fail_after(DEADLINE_S):
        return await get_json(url, "/api", parameters={"symbol": "BTCUSDT"}, decode=decode, **options)  # type: ignore[arg-type]


@pytest.mark.trio
async def test_the_answer_is_decoded() -> None:
    """The path and the parameters are asked for, and the body comes back decoded."""
    requests: list[bytes] = []
    async with server(response(b'{"a":1}'), requests) as url:
        assert await ask(url + "/") == {"a": 1}
    assert requests[0].startswith(b"GET /api?symbol=BTCUSDT HTTP/1.1\r\n")


@pytest.mark.trio
@pytest.mark.parametrize("status", ["429 Too Many Requests", "418 I'm a teapot"])
async def test_limits_carry_the_wait(status: str) -> None:
    """429 and 418 are limits, with the wait that the venue asks for."""
    async with server(response(b"{}", status, "Retry-After: 12")) as url:
        with pytest.raises(ResourceExhaustedError) as caught:
            await ask(url)
    assert caught.value.retry_after_s == 12


@pytest.mark.trio
@pytest.mark.parametrize(
    "answer",
    [
        response(b"{}", "500 Internal Server Error"),
        response(b"{}", "503 Unavailable"),
        response(b"<html>sorry</html>"),
        response(b"<html>sorry</html>", "403 Forbidden"),
        response(b'{"a":'),
        response(b'{"a":"one"}'),
        response(b"[" * 100_000),
        response(b'{"a":1}')[:-3],
        b"",
        b"nonsense\r\n\r\n",
    ],
)
async def test_what_may_work_later_is_transient(answer: bytes) -> None:
    """Server errors, web pages, broken bodies and broken connections are to be tried again."""
    async with server(answer) as url:
        with pytest.raises(TransientError):
            await ask(url)


@pytest.mark.trio
async def test_other_refusals_carry_the_venues_words_made_harmless() -> None:
    """Any other 4xx is permanent, its text cut and without control characters."""
    async with server(response(b"bad \x1b[2J symbol" + b"!" * 5000, "400 Bad Request")) as url:
        with pytest.raises(PermanentError) as caught:
            await ask(url)
    assert "HTTP 400: bad \\x1b[2J symbol" in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.trio
async def test_the_caller_reads_its_venues_codes() -> None:
    """What `refusal` makes of the body is raised."""

    def refusal(operation: str, body: bytes) -> ConsoleError | None:
        return NotFoundError(operation, body.decode())

    async with server(response(b"-1121", "400 Bad Request")) as url:
        with pytest.raises(NotFoundError, match="-1121"):
            await ask(url, refusal=refusal)


@pytest.mark.trio
async def test_a_body_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A body beyond the bound is given up, and not kept."""
    monkeypatch.setattr(http_client, "MAX_BODY_BYTES", 1000)
    async with server(response(b" " * 100_000)) as url:
        with pytest.raises(TransientError, match="exceeds"):
            await ask(url)


@pytest.mark.trio
async def test_no_answer_is_given_up() -> None:
    """A server that never answers costs the timeout and no more."""

    async def mute(stream: trio.SocketStream) -> None:
        async with stream:
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, mute, 0, host="127.0.0.1"))
        with pytest.raises(TransientError, match="no answer within"):
            await ask(f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}", timeout_s=0.1)
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_nobody_there_is_transient() -> None:
    """A closed port is to be tried again."""
    with pytest.raises(TransientError):
        await ask("http://127.0.0.1:1")


@pytest.mark.trio
@pytest.mark.parametrize(
    "url",
    ["ftp://example.test", "nonsense", "http://\x00", "http://h:99999", "http://[::1", "http://a..b", "https:///x"],
)
async def test_an_address_that_is_none_is_configuration(url: str) -> None:
    """What is no HTTP address is the operator's to mend."""
    with pytest.raises(ConfigurationError, match="bad REST address"):
        await ask(url)


@pytest.mark.trio
async def test_a_bad_proxy_is_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of a proxy is the operator's to mend, too."""
    monkeypatch.setenv("HTTP_PROXY", "nonsense://proxy")
    with pytest.raises(ConfigurationError, match="proxy"):
        await ask("http://example.test")
