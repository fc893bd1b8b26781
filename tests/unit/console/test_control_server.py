"""The control channel, over real Unix sockets and from hostile clients."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from console import control_server
from console.control_server import answer, serve_control
from core.errors import RefusedError
from ringbuf import control
from ringbuf.control import ControlClient, ControlError


async def _echo(request: dict[str, Any]) -> dict[str, Any]:
    return {"echo": request.get("word", "")}


async def _refuse(_request: dict[str, Any]) -> dict[str, Any]:
    raise RefusedError("not now", "shutdown", hint="try later")


OPERATIONS: dict[str, control_server.Operation] = {
    "ping": _echo,
    "refuse": _refuse,
}


@asynccontextmanager
async def served() -> AsyncIterator[Path]:
    """A control server that runs while the block does."""
    path = control.socket_path("test")
    async with trio.open_nursery() as nursery:
        await nursery.start(serve_control, path, OPERATIONS)
        yield path
        nursery.cancel_scope.cancel()


@pytest.mark.trio
async def test_a_client_gets_answers_and_refusals() -> None:
    """Results come back; a refusal carries category and hint; the socket is private and goes away."""
    async with served() as path:
        client = ControlClient(path)
        assert await trio.to_thread.run_sync(lambda: client.request("ping", word="x")) == {"echo": "x"}
        with pytest.raises(ControlError, match="not now: shutdown") as caught:
            await trio.to_thread.run_sync(client.request, "refuse")
        assert (caught.value.category, caught.value.hint) == ("refused", "try later")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        client.close()
    assert not path.exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"garbage", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"[" * 60_000, "not a JSON object"),
        (b'{"v":1,"op":"ping"' + b" " * 70_000, "not a JSON object"),
        (b'{"op":"ping"}', "speaks version 1"),
        (b'{"v":2,"op":"ping"}', "speaks version 1"),
        (b'{"v":1,"op":"rm -rf"}', "no such operation"),
    ],
)
@pytest.mark.trio
async def test_nonsense_gets_an_error(line: bytes, message: str) -> None:
    """Whatever the line holds, the answer is an error object of this protocol."""
    found = await answer(line, OPERATIONS)
    assert not found["ok"]
    assert message in found["error"]["message"]


@pytest.mark.trio
async def test_a_fault_in_an_operation_is_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asked hears of it without its words, the log has the traceback, and the next question is answered."""

    async def stumble(_request: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("what nobody thought of")

    operations = {**OPERATIONS, "stumble": stumble}
    found = await answer(b'{"v": 1, "id": 3, "op": "stumble"}', operations)
    assert (found["ok"], found["id"], found["error"]["category"]) == (False, 3, "internal")
    assert "nobody thought" not in str(found)
    assert "nobody thought of" in caplog.text
    assert (await answer(b'{"v": 1, "id": 4, "op": "ping"}', operations))["ok"]


@pytest.mark.trio
async def test_an_endless_line_is_cut_off() -> None:
    """Ten megabytes without a newline end that connection, with an error if it listens; others are still served."""
    async with served() as path:

        def flood() -> bytes:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(os.fspath(path))
                with suppress(OSError):
                    client.sendall(b"x" * 10_000_000)
                try:
                    return client.recv(4096)
                except ConnectionError:
                    return b"cut"

        assert b"too long" in (received := await trio.to_thread.run_sync(flood)) or received in (b"", b"cut")
        client = ControlClient(path)
        assert await trio.to_thread.run_sync(client.request, "ping") == {"echo": ""}
        client.close()


@pytest.mark.trio
async def test_silent_connections_do_not_keep_others_out() -> None:
    """A connection that says nothing holds nobody up, and leaving without a word is fine."""
    async with served() as path:
        silent = await trio.open_unix_socket(path)
        client = ControlClient(path)
        assert await trio.to_thread.run_sync(client.request, "ping") == {"echo": ""}
        client.close()
        await silent.aclose()


def test_nobody_listening_is_said_in_words() -> None:
    """Without an engine the client raises instead of waiting."""
    with pytest.raises(ControlError, match="does not answer"):
        ControlClient(control.socket_path("nobody")).request("ping")


def test_a_garbled_answer_is_not_believed() -> None:
    """An engine of another version, or something else altogether, is reported as such."""
    path = control.socket_path("liar")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.fspath(path))
        listener.listen(2)
        client = ControlClient(path, timeout_s=5)
        client._connect()
        peer, _ = listener.accept()
        with peer:
            peer.sendall(b'{"v":9}\n')
            with pytest.raises(ControlError, match="another protocol version"):
                client.request("ping")
