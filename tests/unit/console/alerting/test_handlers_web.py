"""Those who hear over HTTP, against real servers on loopback, mostly ill-behaved ones."""

from __future__ import annotations

import logging
import ssl
from functools import partial

import pytest
import trio

from console.alerting.dispatch import Dispatcher
from console.alerting.handlers import web
from console.alerting.handlers.base import Handler, PartlyToldError
from console.alerting.handlers.make import make_handlers
from console.alerting.handlers.plan import HandlerPlan
from console.alerting.sending import send_once
from core.alerts.message import Kind, Message
from core.alerts.rules import Severity
from core.errors import (
    AuthenticationError,
    ConsoleError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from tests.servers.tcp import listening
from tests.unit.console.alerting.hearing import CRITICAL, DEADLINE_S, message
from tests.unit.console.alerting.servers import (
    CLOSES,
    ENDLESS_HEADERS,
    HALF,
    HANGS,
    HUGE,
    WebServer,
    answer,
    web_server,
)

SECRET = "T0SECRET/B0SECRET/xyzzySECRET"
TOKEN = "123456:xyzzy-SECRET"
YES = answer(body=b'{"ok":true,"result":{}}')
KINDS = ("webhook", "slack", "telegram", "ntfy")


def plan(kind: str, url: str, **options: object) -> HandlerPlan:
    """A plan of that kind with a planted secret or two."""
    ends = {"webhook": f"/hook/{SECRET}", "slack": f"/services/{SECRET}", "telegram": "", "ntfy": "/topicSECRET"}
    given: dict[str, object] = {
        "name": "desk", "kind": kind, "url": url + ends[kind], "token": "" if kind == "slack" else TOKEN,
        "to": ("42",) if kind == "telegram" else (), "timeout_s": 5.0, **options,
    }  # fmt: skip
    return HandlerPlan(**given)  # type: ignore[arg-type]


async def tell(given: HandlerPlan, told: Message | None = None) -> None:
    """Tell it once."""
    (handler,) = make_handlers([given])
    try:
        with trio.fail_after(DEADLINE_S):
            await send_once(handler, told or message())
    finally:
        await handler.aclose()


async def failure(given: HandlerPlan, kind: type[ConsoleError]) -> ConsoleError:
    """The error of telling it once, without a secret in it."""
    with pytest.raises(kind) as caught:
        await tell(given)
    assert "SECRET" not in f"{caught.value!r} {caught.value} {given!r}"
    return caught.value


@pytest.mark.trio
async def test_a_webhook_gets_json() -> None:
    """With stable names, a bearer token, and a key that is the same when it is tried again."""
    async with web_server(answer("204 No Content", b"")) as server:
        (handler,) = make_handlers([plan("webhook", server.url)])
        await handler.send(CRITICAL)
        await handler.send(CRITICAL)
        await handler.aclose()
    first, again = server.asked
    assert first.line == f"POST /hook/{SECRET} HTTP/1.1"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert first.headers["content-type"] == "application/json"
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"] == first.json["id"]
    assert first.json == {
        "schema_version": 1,
        "id": first.json["id"],
        "kind": "firing",
        "severity": "critical",
        "instance": "desk-1",
        "rule": "store_down",
        "title": "the store writes nothing",
        "lines": ["KRAKEN BTCUSD: 120 s"],
        "runbook": "look at the connection on screen 7",
        "count": 1,
        "time_ns": 1790000000000000000,
        "time": "2026-09-21T14:13:20.000000000Z",
    }


@pytest.mark.trio
async def test_slack_gets_escaped_text() -> None:
    """Nothing in a message can call people or draw a link."""
    async with web_server(answer()) as server:
        await tell(plan("slack", server.url), message("a <!channel> & <http://x|y>"))
    text = server.asked[0].json["text"]
    assert text.startswith("*WARNING [desk-1] a &lt;!channel&gt; &amp; &lt;http://x|y&gt;*\n")
    assert "What to do: look at the connection on screen 7" in text
    assert "authorization" not in server.asked[0].headers


@pytest.mark.trio
async def test_slack_says_what_is_wrong() -> None:
    """Its own code is passed on; what is no code, as a page of a proxy, is not."""
    async with web_server(answer("403 Forbidden", b"invalid_token"), answer("404 Not Found", b"<p>SECRET")) as server:
        assert (await failure(plan("slack", server.url), AuthenticationError)).subject == "HTTP 403: invalid_token"
        assert (await failure(plan("slack", server.url), PermanentError)).subject == "HTTP 404"


@pytest.mark.trio
async def test_ntfy_is_published_to_as_json() -> None:
    """To the root of the server, with a priority and a tag; whatever script it is in, and no larger than allowed."""
    told = message("ценa 価格", severity=Severity.CRITICAL, lines=("価" * 390,) * 12)
    async with web_server(answer()) as server:
        await tell(plan("ntfy", server.url), told)
        await tell(plan("ntfy", server.url), message(kind=Kind.RESOLVED))
    first, second = server.asked
    assert first.line == "POST / HTTP/1.1"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert first.json["topic"] == "topicSECRET"
    assert first.json["title"] == "CRITICAL [desk-1] ценa 価格"
    assert (first.json["priority"], first.json["tags"]) == (5, ["rotating_light"])
    assert len(first.json["message"].encode()) < 4000
    assert (second.json["priority"], second.json["tags"]) == (3, ["white_check_mark"])


@pytest.mark.trio
async def test_telegram_writes_to_each_chat() -> None:
    """As plain text, aloud only when something is bad, within the length that it takes."""
    async with web_server(YES) as server:
        await tell(plan("telegram", server.url, to=("42", "@desk")), message(lines=("x" * 390,) * 30))
    assert [asked.json["chat_id"] for asked in server.asked] == ["42", "@desk"]
    assert server.asked[0].line == f"POST /bot{TOKEN}/sendMessage HTTP/1.1"
    assert "parse_mode" not in server.asked[0].json
    assert server.asked[0].json["disable_notification"] is False
    assert len(server.asked[0].json["text"]) <= 4096
    assert "lines more" in server.asked[0].json["text"]


@pytest.mark.trio
async def test_telegram_says_how_long_to_wait() -> None:
    """In its body, and nobody else is written to then."""
    body = b'{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":17}}'
    async with web_server(answer("429 Too Many Requests", body)) as server:
        error = await failure(plan("telegram", server.url, to=("42", "43")), ResourceExhaustedError)
    assert isinstance(error, ResourceExhaustedError)
    assert (error.retry_after_s, len(server.asked)) == (17, 1)


@pytest.mark.trio
async def test_telegram_repeats_what_failed_alone() -> None:
    """A chat that has the message does not get it again, one that refuses is said at the end."""
    blocked = answer("403 Forbidden", b'{"ok":false,"description":"Forbidden: bot was blocked by the user"}')
    async with web_server(YES, blocked, answer("502 Bad Gateway", b"<html>"), YES) as server:
        (handler,) = make_handlers([plan("telegram", server.url, to=("1", "2", "3"))])
        told = message()
        with pytest.raises(TransientError):
            await handler.send(told)
        with pytest.raises(PartlyToldError, match="1 of 3 chats: HTTP 403: Forbidden: bot was blocked by the user"):
            await handler.send(told)
        assert [asked.json["chat_id"] for asked in server.asked] == ["1", "2", "3", "3"]
        await handler.send(message("another"))
        assert len(server.asked) == 7
        await handler.aclose()


@pytest.mark.trio
@pytest.mark.parametrize(
    "body",
    [b"", b"[", b'{"ok":1}', b"[" * 60000, b'{"ok":false}', b'{"ok":false,"parameters":{"retry_after":1e400}}'],
)
async def test_telegram_is_not_believed_blindly(body: bytes) -> None:
    """A success without its word is none, whatever else it says."""
    async with web_server(answer(body=body)) as server:
        await failure(plan("telegram", server.url), TransientError)


@pytest.mark.trio
async def test_telegram_does_not_repeat_a_token() -> None:
    """What it says is left out when the token is in it."""
    said = b'{"ok":false,"description":"no bot xyzzy-SECRET"}'
    async with web_server(answer("404 Not Found", said)) as server:
        assert (await failure(plan("telegram", server.url), PermanentError)).subject == "HTTP 404"


@pytest.mark.trio
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer("401 Unauthorized", SECRET.encode()), AuthenticationError),
        (answer("403 Forbidden", TOKEN.encode()), AuthenticationError),
        (answer("400 Bad Request", b""), PermanentError),
        (answer("500 Internal Server Error", SECRET.encode()), TransientError),
        (answer("302 Found", b"", f"Location: http://127.0.0.1:1/{SECRET}"), PermanentError),
        (answer("429 Too Many Requests", b"", "Retry-After: 12"), ResourceExhaustedError),
        (CLOSES, TransientError),
        (f"{SECRET} is no HTTP\r\n\r\n".encode(), TransientError),
        (ENDLESS_HEADERS, TransientError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", TransientError),
    ],
)
async def test_what_goes_wrong_is_classified(
    kind: str, reply: bytes, error: type[ConsoleError], caplog: pytest.LogCaptureFixture
) -> None:
    """By what comes next, in words without a secret; nothing is written to the log, by no library either."""
    caplog.set_level(logging.DEBUG)
    async with web_server(reply) as server:
        found = await failure(plan(kind, server.url), error)
    assert type(found) is error
    assert "SECRET" not in caplog.text
    if isinstance(found, ResourceExhaustedError):
        assert found.retry_after_s == 12


@pytest.mark.trio
@pytest.mark.parametrize("kind", KINDS)
async def test_nobody_is_waited_for_beyond_the_time(kind: str) -> None:
    """A server that takes the message and says nothing is an error in time."""
    async with web_server(HANGS) as server:
        found = await failure(plan(kind, server.url, timeout_s=0.2), TransientError)
        assert found.subject == "no answer within 0.2 s"


@pytest.mark.trio
@pytest.mark.parametrize("kind", ["webhook", "slack", "ntfy"])
async def test_of_a_huge_answer_the_beginning_is_read(kind: str) -> None:
    """An answer without end is no reason to read it, and it was a yes."""
    async with web_server(HUGE) as server:
        await tell(plan(kind, server.url))


@pytest.mark.trio
async def test_redirects_are_not_followed() -> None:
    """The message, and the token with it, goes where the settings say and nowhere else."""
    async with web_server(answer()) as other:
        moved = answer("307 Temporary Redirect", b"", f"Location: {other.url}/")
        async with web_server(moved) as server:
            found = await failure(plan("webhook", server.url), PermanentError)
    assert found.subject == "HTTP 307"
    assert "set the address it points to" in found.hint
    assert other.asked == []


@pytest.mark.trio
async def test_nobody_there_is_said() -> None:
    """With the reason that the system gives, and not where."""
    async with listening(_closing) as port:
        url = f"http://127.0.0.1:{port}"
    found = await failure(plan("webhook", url), TransientError)
    assert found.subject == "no connection: Connection refused"


@pytest.mark.trio
async def test_a_proxy_address_that_is_none_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the environment can be wrong as well, and hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:SECRET@[::1")
    found = await failure(plan("webhook", "https://nowhere.invalid"), PermanentError)
    assert "proxy" in found.subject


@pytest.mark.trio
async def test_proxies_are_for_other_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is for this machine does not leave it; what is for another goes through the proxy, encrypted or not at
    all."""
    async with web_server(answer()) as server, web_server(answer("403 Forbidden")) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        await tell(plan("webhook", server.url))
        assert (len(server.asked), len(proxy.asked)) == (1, 0)
        found = await failure(plan("webhook", "https://nowhere.invalid"), TransientError)
        assert found.subject == "the proxy does not let it through"
        assert [asked.line for asked in proxy.asked] == ["CONNECT nowhere.invalid:443 HTTP/1.1"]


@pytest.mark.trio
async def test_a_yes_that_does_not_end_is_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The status says that the message was taken: it is not sent again because the rest does not come."""
    monkeypatch.setattr(web, "ANSWER_S", 0.1)
    async with web_server(HALF) as server:
        await tell(plan("webhook", server.url))


@pytest.mark.trio
async def test_a_storm_is_few_requests() -> None:
    """A thousand messages are four requests to one that answers, beside one that hangs and one that is gone."""
    async with web_server(answer()) as server, web_server(HANGS) as stuck, listening(_closing) as gone:
        handlers = make_handlers(
            [
                plan("webhook", server.url, name="good"),
                plan("slack", stuck.url, name="stuck", timeout_s=0.5),
                plan("ntfy", f"http://127.0.0.1:{gone}", name="gone"),
            ]
        )
        dispatcher = Dispatcher(handlers, gather_s=0.05)
        async with trio.open_nursery() as nursery:
            await nursery.start(dispatcher.run)
            for number in range(1000):
                dispatcher.tell(message(f"ring {number} is full"))
            with trio.fail_after(DEADLINE_S):
                while dispatcher.states()[0]["waiting"]:
                    await trio.sleep(0.01)
            left = await dispatcher.drain(1.0)
    assert [asked.json["count"] for asked in server.asked] == [1, 1, 1, 997]
    assert left == 2000
    assert "SECRET" not in str(dispatcher.states())


@pytest.mark.trio
async def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    """Encryption to somebody unknown is no encryption: nothing is sent, and that is permanent."""
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    got: list[bytes] = []

    async def handle(stream: trio.SocketStream) -> None:
        encrypted = trio.SSLStream(stream, context, server_side=True)
        got.append(bytes(await encrypted.receive_some()))

    async with listening(partial(_ignoring, handle)) as port:
        found = await failure(plan("webhook", f"https://127.0.0.1:{port}"), PermanentError)
    assert found.subject.startswith("its certificate is not accepted: ")
    assert got == []


@pytest.mark.trio
async def test_a_cancelled_one_can_be_told_again() -> None:
    """Cut off in the middle, nothing of it is in the way of the next."""
    async with web_server(HANGS, YES) as server:
        (handler,) = make_handlers([plan("telegram", server.url)])
        told = message()
        await _cut_off(handler, told, server)
        await handler.send(told)
        assert len(server.asked) == 2
        await handler.aclose()


async def _cut_off(handler: Handler, told: Message, server: WebServer) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(handler.send, told)
        with trio.fail_after(DEADLINE_S):
            await server.was_asked.wait()
        nursery.cancel_scope.cancel()


async def _closing(_stream: trio.SocketStream) -> None:
    await trio.lowlevel.checkpoint()


async def _ignoring(handle, stream: trio.SocketStream) -> None:  # type: ignore[no-untyped-def]
    try:
        await handle(stream)
    except (trio.BrokenResourceError, ssl.SSLError):
        return
