"""How a feed's health stands on the screen: on the board, beside what it is about, in the status line, in the log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.conftest import BTC, ETH, TETHER, Console
from tests.tui.fake_engine import FakeEngine, Listing

See = Callable[..., None]
SOL = ("SOLUSD", "KRAKEN")
SILENT = "nothing for 42 s; usually every 0.8 s; 11 other symbols are live"
WITHHELD = "book withheld: checksum differs"
THIN = "nothing for 75 s; usually every 40 s; 3 other symbols are live"


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """An engine with a symbol in each of the four states."""
    listings = (
        Listing("BTCUSD"),
        Listing("BTCUSD", "BINANCE", "USDT", 2),
        Listing("ETHUSD", price_decimals=2),
        Listing("SOLUSD", price_decimals=2),
    )
    with FakeEngine(Path(os.environ["RINGSIDE_SHM"]), *listings) as running:
        for key, price, bid, ask in (
            (BTC, "42150.2", "42150.1", "42150.3"),
            (TETHER, "42148.00", "42147.99", "42148.01"),
            (ETH, "2251.90", "2251.80", "2252.00"),
            (SOL, "151.20", "151.10", "151.30"),
        ):
            running.trade(key, price, "0.5")
            running.quote(key, bid, ask)
            running.book(key, [(bid, "2")], [(ask, "3")], bad=key == ETH)
        running.healths = {
            BTC: {"health": "stale", "health_reason": SILENT},
            ETH: {"health": "broken", "health_reason": WITHHELD},
            SOL: {"health": "quiet", "health_reason": THIN},
        }
        yield running


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_every_state_is_a_sign_on_the_board(see: See, size: tuple[int, int]) -> None:
    """Stale, broken and quiet are characters after the price; the live one has none of them."""

    async def scene(console: Console) -> None:
        text = await console.until(lambda screen: "42150.2 ~" in screen and "151.20 ·" in screen)
        assert "2251.90 ⚠" in text
        assert not any(f"42148.00t{sign}" in text for sign in "~·⚠")
        assert "kraken up" in text
        assert "1 broken, 1 stale" in text
        assert "binance up, " not in text

    see(scene, size=size)


@pytest.mark.parametrize("size", [(80, 24), (160, 50)])
def test_the_reason_stands_beside_what_it_is_about(see: See, size: tuple[int, int]) -> None:
    """The head of the panes says why a symbol is not live, whole, at every size; a live one has no such line."""

    async def scene(console: Console) -> None:
        text = await console.until("~ stale: nothing for 42 s;")
        words = " ".join(text.replace("│", " ").split())
        assert "symbols are live" in words
        assert "~ stale ─" in text  # over the book
        console.app.attachment.select(ETH)
        await console.until(lambda screen: "⚠ broken: book withheld:" in screen and "~ stale" not in screen)
        console.app.attachment.select(SOL)
        await console.until("· quiet: nothing for 75 s")
        console.app.attachment.select(TETHER)
        await console.until(lambda screen: not any(word in screen for word in ("stale:", "broken:", "quiet:")))

    see(scene, size=size)


def test_what_is_unwell_is_a_problem_in_the_log(see: See) -> None:
    """Stale and broken symbols are listed with their reasons on the log screen; quiet ones are not."""

    async def scene(console: Console) -> None:
        await console.until("2 problems")
        await console.press("8")
        text = await console.until(f"BTCUSD KRAKEN: stale: {SILENT}")
        assert f"ETHUSD KRAKEN: broken: {WITHHELD}" in text
        assert "SOLUSD" not in text

    see(scene, size=(160, 50))


def test_the_board_is_filtered_by_health(see: See) -> None:
    """`/stale` leaves the stale symbols alone on the board."""

    async def scene(console: Console) -> None:
        await console.until("42150.2 ~")
        await console.press("slash")
        await console.type("stale")
        await console.press("enter")
        text = await console.until("1 of 4")
        assert "151.20" not in text

    see(scene)


def test_a_lost_venue_is_told_once(see: See, engine: FakeEngine) -> None:
    """When a venue's connection is lost its light says so; its symbols bear the sign and are no problems of their
    own."""
    reason = "connection lost 3.0 s ago: closed with code 1006"
    engine.healths = {key: {"health": "broken", "health_reason": reason} for key in (BTC, ETH, SOL)}
    rows = engine.answer()["connections"]
    engine.overrides = {
        "connections": [rows[0] | {"status": "reconnecting", "reason": "closed with code 1006"}, *rows[1:]]
    }

    async def scene(console: Console) -> None:
        text = await console.until(lambda screen: "kraken reconnecting" in screen and screen.count("⚠") >= 4)
        assert "problem" not in text
        assert "broken," not in text
        assert "⚠ broken: connection lost 3.0 s ago" in text

    see(scene, size=(160, 50))


def test_an_engine_that_is_gone_says_nothing_of_health(see: See, engine: FakeEngine) -> None:
    """When the engine does not answer its last word on a symbol's health is not repeated: age alone tells."""

    async def scene(console: Console) -> None:
        await console.until("42150.2 ~")
        engine.close()
        await console.until(lambda screen: "engine not reachable" in screen and "42150.2 ~" not in screen)

    see(scene)
