"""The engine and the running console that the screen's tests share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from console.tui.app import RingsideApp
from tests.tui.fake_engine import FakeEngine, Listing

BTC, TETHER, ETH = ("BTCUSD", "KRAKEN"), ("BTCUSD", "BINANCE"), ("ETHUSD", "KRAKEN")
DEADLINE_S = 20.0


class Console:
    """A running console and what stands on it."""

    def __init__(self, app: RingsideApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    def text(self) -> str:
        """Everything on the screen, line by line."""
        width, height = self.app.size
        strips = self.app.screen._compositor.render_strips()
        return "\n".join("".join(segment.text for segment in strip)[:width] for strip in strips[:height])

    async def until(self, found: Callable[[str], bool] | str) -> str:
        """Wait until the screen holds a text, or fits a condition; returns it."""
        holds = (lambda screen: found in screen) if isinstance(found, str) else found
        until_s = time.monotonic() + DEADLINE_S
        while not holds(screen := self.text()):
            assert time.monotonic() < until_s, f"never {found!r} on\n{screen}"
            await asyncio.sleep(0.02)
        return screen

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    async def type(self, text: str) -> None:
        """Type a text, key by key."""
        names = {":": "colon", "/": "slash", " ": "space", "!": "exclamation_mark", "-": "minus"}
        await self.pilot.press(*(names.get(character, character) for character in text))


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """An engine with bitcoin in dollars and in Tether, and ether, each with a trade and a quote."""
    listings = (Listing("BTCUSD"), Listing("BTCUSD", "BINANCE", "USDT", 2), Listing("ETHUSD", price_decimals=2))
    with FakeEngine(Path(os.environ["RINGSIDE_SHM"]), *listings) as running:
        for key, price, bid, ask in (
            (BTC, "42150.2", "42150.1", "42150.3"),
            (TETHER, "42148.00", "42147.99", "42148.01"),
            (ETH, "2251.90", "2251.89", "2251.91"),
        ):
            running.trade(key, price, "0.5")
            running.quote(key, bid, ask)
        bids = [(f"{42150.1 - number / 10:.1f}", f"{number + 1}.5") for number in range(10)]
        asks = [(f"{42150.3 + number / 10:.1f}", f"{number + 1}.25") for number in range(10)]
        running.book(BTC, bids, asks)
        yield running


@pytest.fixture
def see(engine: FakeEngine) -> Callable[..., None]:
    """Run a coroutine function with a console of that engine, in a loop of its own."""

    def run(
        scene: Callable[[Console], Awaitable[None]],
        *,
        size: tuple[int, int] = (120, 40),
        terminal: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        async def whole() -> None:
            environment = {"TERM": "xterm-256color", "RINGSIDE_HOME": os.environ["RINGSIDE_HOME"], **(terminal or {})}
            app = RingsideApp(engine.socket_path, environment=environment, **options)
            async with app.run_test(size=size) as pilot:
                await scene(Console(app, pilot))

        asyncio.run(whole())

    return run
