"""The REST client that waits, signs and repeats, against a scripted server on loopback."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial

import attrs
import msgspec
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from core.clock import NS_PER_S
from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from providers.venue.http_client import Patience, RestClient
from providers.venue.ratelimit import Charge, HostLimits, TokenLimit, WindowLimit
from providers.venue.signing import Credentials, NonceFormSigner, Nonces, Request
from tests.unit.providers.venue.test_http_client import response

OK = response(b'{"a":1}')
BUSY = response(b"{}", "503 Unavailable")
SECRET = "c2VjcmV0LXNlY3JldC1zZWNyZXQ="
NARROW, WIDE = Charge("pair", 1, "BTC/USD"), Charge("address")


@attrs.define
class Scripted:
    """A server's address, the answers it still gives (the last one for ever), and what it was asked."""

    url: str
    answers: list[bytes]
    asked: list[bytes] = attrs.Factory(list)
    asked_at_s: list[float] = attrs.Factory(list)


@asynccontextmanager
async def scripted(*answers: bytes) -> AsyncIterator[Scripted]:
    """A server that gives `answers` in order."""
    script = Scripted("", list(answers))

    async def handle(stream: trio.SocketStream) -> None:
        async with stream:
            asked = bytes(await stream.receive_some(65536))
            while asked.startswith(b"POST") and asked.endswith(b"\r\n\r\n"):
                asked += await stream.receive_some(65536)
            script.asked.append(asked)
            script.asked_at_s.append(trio.current_time())
            await stream.send_all(script.answers.pop(0) if len(script.answers) > 1 else script.answers[0])

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        script.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        yield script
        nursery.cancel_scope.cancel()


@pytest.fixture
def mock_clock() -> MockClock:
    """A clock fifty times as fast as the wall's: the waits are real ones, only shorter."""
    return MockClock(rate=50)


def host_limits(pair_interval_ns: int = 1) -> HostLimits:
    """A limit a pair and one for all of them."""
    return HostLimits({"pair": lambda: TokenLimit(1, pair_interval_ns), "address": lambda: TokenLimit(1, 1)})


def client(url: str, limits: HostLimits | None = None, **patience: float) -> RestClient:
    """A client with much patience for a single answer."""
    settings = {"timeout_s": 400.0, "budget_s": 1000.0, **patience}
    return RestClient(url, limits or host_limits(), patience=Patience(**settings))  # type: ignore[arg-type]


async def ask(asking: RestClient, request: Request | None = None, **options: object) -> dict[str, int]:
    """One question for an object of numbers."""
    decode = msgspec.json.Decoder(dict[str, int]).decode
    return await asking.ask(request or Request(path="/api", query="a=%5B"), decode=decode, **options)  # type: ignore[arg-type]


@pytest.mark.trio
@pytest.mark.parametrize("failure", [BUSY, response(b"<html>"), response(b'{"a":'), OK[:-3], b"", b"x\r\n\r\n"])
async def test_what_may_pass_is_tried_again(mock_clock: MockClock, failure: bytes) -> None:
    """Failures, maintenance pages, half answers and broken JSON are asked again, and the query stays as it is."""
    async with scripted(failure, failure, OK) as server:
        assert await ask(client(server.url)) == {"a": 1}
    assert len(server.asked) == 3
    assert server.asked[2].startswith(b"GET /api?a=%5B HTTP/1.1\r\n")


@pytest.mark.trio
async def test_nothing_is_tried_for_ever(mock_clock: MockClock) -> None:
    """After as many attempts as allowed the last failure is raised."""
    async with scripted(BUSY) as server:
        with pytest.raises(TransientError, match="HTTP 503"):
            await ask(client(server.url, attempts=3))
    assert len(server.asked) == 3


@pytest.mark.trio
async def test_what_must_not_happen_twice_is_sent_once(mock_clock: MockClock) -> None:
    """A request that is not repeatable is not repeated, whatever becomes of it."""
    async with scripted(BUSY, OK) as server:
        with pytest.raises(TransientError):
            await ask(client(server.url), Request(path="/order", method="POST", body="b=1", repeatable=False))
    assert len(server.asked) == 1


@pytest.mark.trio
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("401 Unauthorized", AuthenticationError),
        ("403 Forbidden", AuthenticationError),
        ("404 Not Found", NotFoundError),
        ("400 Bad Request", PermanentError),
        ("451 Unavailable For Legal Reasons", PermanentError),
    ],
)
async def test_what_stays_refused_is_not_tried_again(
    mock_clock: MockClock, status: str, kind: type[ConsoleError]
) -> None:
    """Permanent refusals end at once, each in its class."""
    async with scripted(response(b"{}", status)) as server:
        with pytest.raises(kind) as caught:
            await ask(client(server.url))
    assert type(caught.value) is kind
    assert len(server.asked) == 1


@pytest.mark.trio
@pytest.mark.parametrize("status", ["429 Too Many", "418 Banned"])
async def test_retry_after_holds_up_the_whole_host(mock_clock: MockClock, status: str) -> None:
    """A stated wait stops every question to the host, those of other pairs too, for as long as it says."""
    async with scripted(response(b"{}", status, "Retry-After: 30"), OK) as server:
        asking = client(server.url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, asking)
            while not server.asked_at_s:
                await trio.sleep(0.1)
            await trio.sleep(0.5)
            assert await ask(asking, charges=[Charge("pair", 1, "other"), WIDE]) == {"a": 1}
    assert len(server.asked) == 3
    assert min(server.asked_at_s[1:]) - server.asked_at_s[0] >= 29


@pytest.mark.trio
async def test_a_ban_longer_than_our_patience_is_told_at_once(mock_clock: MockClock) -> None:
    """Nobody sits out a ban of three days: it is an error with the wait, for this question and for the next."""
    async with scripted(response(b"{}", "418 Banned", "Retry-After: 259200")) as server:
        asking = client(server.url)
        with pytest.raises(ResourceExhaustedError, match="banned") as first:
            await ask(asking)
        with pytest.raises(ResourceExhaustedError) as second:
            await ask(asking, charges=[WIDE])
    assert first.value.retry_after_s == 259200
    assert 250_000 < second.value.retry_after_s <= 259200
    assert len(server.asked) == 1


@pytest.mark.trio
async def test_a_refusal_inside_an_answer_counts_as_well(mock_clock: MockClock) -> None:
    """An error that `decode` raises is waited for or raised, as its class says."""
    refusals: list[ConsoleError] = [
        ResourceExhaustedError("x", "later", retry_after_s=20),
        TransientError("x", "busy"),
        PermanentError("x", "never"),
    ]

    def decode(_body: bytes) -> dict[str, int]:
        raise refusals.pop(0)

    async with scripted(OK) as server:
        with pytest.raises(PermanentError, match="never"):
            await client(server.url).ask(Request(path="/api"), decode=decode)
    assert len(server.asked) == 3
    assert server.asked_at_s[1] - server.asked_at_s[0] >= 19


@pytest.mark.trio
async def test_every_attempt_is_signed_with_a_nonce_of_its_own(mock_clock: MockClock) -> None:
    """Form, nonce and signature are sent as signed, anew each time; a failure shows neither key nor secret."""
    signer = NonceFormSigner(Credentials("PUBLIC", SECRET), Nonces())
    request = Request(path="/0/private/Balance", method="POST", body="asset=XBT")
    async with scripted(BUSY, BUSY) as server:
        with pytest.raises(TransientError) as caught:
            await ask(client(server.url, attempts=2), request, signer=signer)
    heads, bodies = zip(*(each.split(b"\r\n\r\n", 1) for each in server.asked), strict=True)
    assert all(b"API-Key: PUBLIC" in head and b"API-Sign: " in head for head in heads)
    assert all(b"application/x-www-form-urlencoded" in head for head in heads)
    assert all(body.startswith(b"nonce=") and body.endswith(b"&asset=XBT") for body in bodies)
    assert bodies[0] < bodies[1]
    assert "PUBLIC" not in str(caught.value) + repr(caught.value)
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.trio
async def test_what_the_venue_counts_is_told_to_the_limits(mock_clock: MockClock) -> None:
    """The headers of every answer, refused ones too, reach the limits before the next question."""
    limits = HostLimits({"weight": lambda: WindowLimit(6000, 60 * NS_PER_S)})

    def observe(headers: Mapping[str, str], known: HostLimits, now_ns: int) -> None:
        known.observe("weight", int(headers["X-MBX-USED-WEIGHT-1M"]), now_ns)

    async with scripted(response(b'{"a":1}', "200 OK", "x-mbx-used-weight-1m: 6000"), OK) as server:
        asking = RestClient(server.url, limits, observe=observe, patience=Patience(timeout_s=400, budget_s=5))
        await ask(asking)
        with pytest.raises(ResourceExhaustedError) as caught:
            await ask(asking, charges=[Charge("weight", 1)])
    assert 50 < caught.value.retry_after_s <= 60


@pytest.mark.trio
async def test_one_pair_in_line_does_not_hold_up_another(autojump_clock: MockClock) -> None:
    """Those who wait for a narrow limit stand in no wider line; each line is first come, first served."""
    asking = client("http://127.0.0.1:1", host_limits(pair_interval_ns=10 * NS_PER_S))
    went: list[tuple[str, float]] = []

    async def go(pair: str) -> None:
        await asking.acquire([Charge("pair", 1, pair), WIDE], until_s=trio.current_time() + 100)
        went.append((pair, trio.current_time()))

    async with trio.open_nursery() as nursery:
        for pair in ("a", "a", "a", "b", "c"):
            nursery.start_soon(go, pair)
    begin_s = went[0][1]
    assert sorted(pair for pair, at_s in went if at_s - begin_s < 1) == ["a", "b", "c"]
    assert [round(at_s - begin_s) for pair, at_s in went if pair == "a"] == [0, 10, 20]


@pytest.mark.trio
async def test_a_heavy_question_is_not_overtaken_for_ever(autojump_clock: MockClock) -> None:
    """However many light questions follow, the heavy one goes when its turn has come."""
    limits = HostLimits({"weight": lambda: WindowLimit(10, 10 * NS_PER_S)})
    asking = client("http://127.0.0.1:1", limits)
    went: list[int] = []

    async def go(weight: int) -> None:
        await asking.acquire([Charge("weight", weight)], until_s=trio.current_time() + 10_000)
        went.append(weight)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go, 5)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(go, 10)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(50):
            nursery.start_soon(go, 1)
    assert went[:2] == [5, 10]
    assert len(went) == 52


@pytest.mark.trio
async def test_a_cancelled_question_gives_its_place_up(autojump_clock: MockClock) -> None:
    """Whoever is cancelled in line takes nothing and holds up nobody."""
    asking = client("http://127.0.0.1:1", host_limits(pair_interval_ns=10 * NS_PER_S))
    charges = [NARROW, WIDE]
    await asking.acquire(charges, until_s=trio.current_time() + 1)
    with trio.move_on_after(3) as scope:
        await asking.acquire(charges, until_s=trio.current_time() + 100)
    assert scope.cancelled_caught
    begin_s = trio.current_time()
    await asking.acquire(charges, until_s=begin_s + 100)
    assert trio.current_time() - begin_s == pytest.approx(7, abs=0.1)
    with pytest.raises(ResourceExhaustedError) as caught:
        await asking.acquire(charges, until_s=trio.current_time() + 5)
    assert caught.value.retry_after_s == pytest.approx(10, abs=0.1)
