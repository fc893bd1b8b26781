"""The budget of attempts to connect: its windows, who shares it, what the operator reads while it is spent."""

from __future__ import annotations

import itertools
import re
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from trio_websocket import WebSocketRequest

from core.clock import NS_PER_S
from providers.base import Endpoints
from providers.binance.provider import RECONNECTING as BINANCE
from providers.connection import BROKE_OFF, ConnectionState, ConnectionStatus
from providers.venue import ws_client
from providers.venue.attempts import budget_of, delays_at, is_stand_in, take_turn
from providers.venue.backoff import AttemptBudget, Reconnecting, backoff_delays
from providers.venue.transport import parse_address
from providers.venue.ws_client import run_feed
from tests.servers.tcp import listening
from tests.unit.providers.venue.test_ws_client import ScriptedFeed, websocket_server

KRAKEN = parse_address("wss://ws.kraken.com/v2")


@given(
    attempts=st.integers(1, 6),
    window_s=st.integers(1, 30),
    waits_ns=st.lists(st.integers(0, 5 * NS_PER_S), min_size=1, max_size=60),
)
def test_no_window_holds_more_than_the_budget(attempts: int, window_s: int, waits_ns: list[int]) -> None:
    """Whoever waits as told never makes more attempts in any span of the window, and no longer than needed."""
    budget = AttemptBudget(Reconnecting(attempts=attempts, window_s=window_s))
    now_ns, taken = 0, []
    for wait_ns in waits_ns:
        now_ns += wait_ns
        if (told_s := budget.wait_s(now_ns)) > 0:
            assert budget.wait_s(now_ns + int(told_s * NS_PER_S) - 1000) > 0
            now_ns += int(told_s * NS_PER_S) + 1
        budget.take(now_ns)
        taken.append(now_ns)
        assert sum(each > now_ns - window_s * NS_PER_S for each in taken) <= attempts


def test_the_pace_of_kraken() -> None:
    """A few attempts come at once, the next at least five seconds after another, none after more than thirty."""
    lowest = list(itertools.islice(backoff_delays(at_once=3, apart_s=5.0, uniform=lambda low, _high: low), 8))
    highest = list(itertools.islice(backoff_delays(at_once=3, apart_s=5.0, uniform=lambda _low, high: high), 8))
    assert lowest == [0.0, 0.0, 0.0, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert highest == [0.1, 1.0, 2.0, 10.0, 10.0, 16.0, 30.0, 30.0]


@pytest.mark.parametrize(("figures", "banned"), [(Reconnecting(), 150), (BINANCE, 300)])
def test_the_figures_stay_below_the_bans(figures: Reconnecting, banned: int) -> None:
    """Both venues' figures leave a fifth of what is banned, and the pace of a long outage never spends the budget."""
    assert figures.attempts <= banned * 4 // 5
    slow = list(itertools.islice(figures.delays(), figures.at_once + 50))[figures.at_once :]
    assert min(slow) >= figures.apart_s
    assert figures.window_s / figures.apart_s <= figures.attempts


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://127.0.0.1:8080/v2", True),
        ("ws://localhost/", True),
        ("wss://127.0.0.1:8443/v2", False),
        ("wss://ws.kraken.com/v2", False),
        ("ws://ws.kraken.com/v2", False),
    ],
)
def test_only_a_plain_server_on_this_machine_is_a_stand_in(url: str, *, expected: bool) -> None:
    """A stand-in has no ban and is come back to within a second; everything else keeps the venue's pace."""
    address = parse_address(url)
    assert is_stand_in(address) is expected
    longest = max(itertools.islice(delays_at(address, Reconnecting()), 40))
    assert (longest <= 1.0) is expected


@pytest.mark.trio
async def test_one_budget_for_a_host() -> None:
    """Legs and restarts that connect to one host share its budget, whatever the case of the name and the path."""
    first = budget_of(KRAKEN, Reconnecting())
    assert budget_of(parse_address("wss://WS.kraken.com/private"), Reconnecting()) is first
    assert budget_of(parse_address("wss://futures.kraken.com/ws/v1"), Reconnecting()) is not first


@pytest.mark.trio
async def test_a_spent_budget_waits_and_says_until_when(autojump_clock: trio.testing.MockClock) -> None:
    """Two that share a budget never exceed it; who waits keeps his reason and adds the time of the next attempt."""
    budget = AttemptBudget(Reconnecting(attempts=2, window_s=600.0))
    state = ConnectionState("KRAKEN")
    state.enter(ConnectionStatus.CONNECTING)
    made_s: list[float] = []
    reasons: list[str] = []

    async def attempt() -> None:
        for _ in range(2):
            state.enter(ConnectionStatus.RECONNECTING, "closed with code 1006")
            await take_turn(budget, state)
            reasons.append(state.reason)
            made_s.append(trio.current_time())

    began_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(attempt)
        nursery.start_soon(attempt)
    assert [round(each - began_s) for each in made_s] == [0, 0, 600, 600]
    spent = r"closed with code 1006; 2 attempts in 10 min are spent, the next at \d\d:\d\d:\d\d UTC"
    assert any(re.fullmatch(spent, reason) for reason in reasons)
    assert autojump_clock is not None


@pytest.mark.trio
async def test_the_client_obeys_the_budget(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    """A server that closes at once is tried as often as the budget allows, then the client waits and its reason says
    so; a cancelled wait leaves a state that is true."""
    monkeypatch.setattr(ws_client, "is_stand_in", lambda _address: False)
    autojump_clock.autojump_threshold = 0.1
    state = ConnectionState("KRAKEN")
    tried: list[float] = []

    async def close_at_once(_stream: trio.SocketStream) -> None:
        tried.append(trio.current_time())

    with trio.move_on_after(50_000):
        async with listening(close_at_once) as port, trio.open_nursery() as nursery:
            endpoints = Endpoints(stream_url=f"ws://127.0.0.1:{port}/", rest_url="")
            run = partial(
                run_feed, ScriptedFeed(), endpoints, state, silence_s=60, answer_s=60, counters=[],
                delays=itertools.repeat(0.0), reconnecting=Reconnecting(attempts=7, window_s=100_000.0),
            )  # fmt: skip
            nursery.start_soon(run)
            while "are spent" not in state.reason:
                await trio.sleep(1)
            assert state.status is ConnectionStatus.RECONNECTING
            nursery.cancel_scope.cancel()
    assert len(tried) == 7
    assert (state.status, state.reason) == (ConnectionStatus.DISCONNECTED, "stopped")


@pytest.mark.trio
async def test_a_mistake_in_the_feed_leaves_an_error() -> None:
    """When a programming error ends the stream, its connection does not go on claiming that it is connected."""

    async def handler(request: WebSocketRequest) -> None:
        await (await request.accept()).send_message("text")
        await trio.sleep_forever()

    def blunder(_feed: ScriptedFeed, _text: str) -> None:
        raise KeyError("mistake")

    state = ConnectionState("KRAKEN")
    with trio.fail_after(20):
        async with websocket_server(handler) as port:
            endpoints = Endpoints(stream_url=f"ws://127.0.0.1:{port}/", rest_url="")
            with pytest.raises(ExceptionGroup):
                await run_feed(
                    ScriptedFeed(on_text=blunder), endpoints, state, silence_s=60, answer_s=60, counters=[]
                )
    assert (state.status, state.reason) == (ConnectionStatus.ERROR, BROKE_OFF)
