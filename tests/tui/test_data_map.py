"""Screen 6's map as an operator meets it: days, holes, prices, fetches, jobs and money."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from console.tui.coverage.fetching import Fetching
from core.clock import DAY_NS, parse_rfc3339_ns, wall_ns
from tests.tui.conftest import Console
from tests.tui.fake_engine import FakeEngine, Listing
from tests.tui.test_data import KEYS, _stored
from tests.unit.console.tui.coverage.documents import coverage, day, many, outcome, plan, work
from tests.unit.console.tui.coverage.test_fetching import Program

See = Callable[..., None]
DAYS = "c##b.pg#"


class Covering(FakeEngine):
    """The engine that also knows what it holds day by day; without `answers` it is of an older version."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        today = wall_ns() // DAY_NS
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {
            "coverage": coverage("#" * 300 + DAYS, "#" * 365, today=today),
            "backfill": work(),
        }
        super().__init__(*arguments, **options)

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation not in ("coverage", "coverage_day", "backfill"):
            return super()._carry_out(request)
        self.asked.append(request)
        if not self.answers:
            return {"ok": False, "error": {"category": "usage", "message": "no such operation", "hint": ""}}
        if operation == "coverage_day":
            return {"ok": True, "result": day(parse_rfc3339_ns(f"{request['day']}T00:00:00Z") // DAY_NS)}
        return {"ok": True, "result": self.answers[operation]}


@pytest.fixture
def engine() -> Iterator[Covering]:
    """An engine with something stored and days to be looked at."""
    listings = [Listing(symbol, venue) for venue, symbol in KEYS]
    running = Covering(Path(os.environ["RINGSIDE_SHM"]), *listings)
    running.stored = _stored()
    with running:
        yield running


def _days_ago(count: int) -> str:
    moment = datetime.fromtimestamp(wall_ns() / 10**9 - 86_400 * count, UTC)
    return f"{moment:%a %Y-%m-%d}"


async def _open(console: Console) -> str:
    await console.until("Board")
    await console.press("6")
    await console.until("─ Total ─ 9 series")
    await console.press("m")
    return await console.until("─ Coverage ─ 2 series ─")


@pytest.mark.parametrize("size", [(60, 15), (160, 50)])
def test_the_map_is_on_the_data_screen(see: See, engine: Covering, size: tuple[int, int]) -> None:
    """A line a series with a sign a day, a legend, and the day under the cursor, at every size; `m` leads back."""

    async def scene(console: Console) -> None:
        await _open(console)
        screen = await console.until(f"─ BTCUSD trades on KRAKEN ─ {_days_ago(0)} ─ stored ─")
        assert "─▇▇▓░▃×" in screen
        assert "░ missing" in screen
        assert all(len(line) == size[0] for line in screen.splitlines())
        assert len(screen.splitlines()) == size[1]
        await console.press("m")
        await console.until("─ Total ─ 9 series")

    see(scene, size=size)


def test_a_day_is_asked_for_when_the_cursor_rests(see: See, engine: Covering) -> None:
    """`left` and `right` walk through the days, `j` through the series; each day is told in full."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("left", "left", "left", "left", "right")
        screen = await console.until("never subscribed")
        await console.until(f"─ {_days_ago(3)} ─ missing ─")
        assert "the connection was lost  1 240 missing" in screen
        await console.until(lambda _screen: engine.asked[-1].get("symbol") == "BTCUSD")
        await console.press("j")
        await console.until("─ BTCUSD mbp-1 on KRAKEN ─")
        await console.until(lambda _screen: engine.asked[-1].get("schema") == "mbp-1")

    see(scene, size=(120, 40))


def test_nothing_is_asked_for_out_of_sight(see: See, engine: Covering) -> None:
    """The list asks for no map, and another screen for nothing."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until("─ Total ─ 9 series")
        assert engine.asked == []
        await console.press("m")
        await console.until("─ Coverage ─")
        await console.press("1")
        await console.until("Board")
        asked, answered = len(engine.asked), engine.requests.count("status")
        await console.until(lambda _screen: engine.requests.count("status") > answered + 3)
        assert len(engine.asked) <= asked + 1  # one may have been under way

    see(scene)


def test_a_hole_is_priced_and_fetched(see: See, engine: Covering, tmp_path: Path) -> None:
    """`p` prices the day, once more the hole; `f` fetches it once its symbol was typed, and the map is asked anew."""
    program = Program(tmp_path, plan=plan(price_usd="1.25", records=10), fetch=outcome(paid_usd="1.25"))

    async def scene(console: Console) -> None:
        console.app.panes.data.coverage.fetching = Fetching(command=program.command)
        await _open(console)
        await console.press("f")
        await console.until("p asks for the price first")
        await console.press("p")
        await console.until(f"nothing to fetch of BTCUSD trades on KRAKEN on {_days_ago(0)[4:]}: stored")
        await console.press("left", "p")
        await console.until("price $1.25")
        await console.press("p")
        await console.until("─ 3 days ─")
        await console.until("price $1.25")
        await console.press("f")
        await console.until("fetches 1 day of BTCUSD trades, which costs $1.25; type BTCUSD to do it:")
        await console.type("btc")
        await console.press("enter")
        await console.until("nothing is fetched")
        assert len(program.calls()) == 2
        asked = sum(one["op"] == "coverage" for one in engine.asked)
        await console.press("f")
        await console.type("BTCUSD")
        await console.press("enter")
        await console.until("1 240 rows stored, 3 rows there already, $1.25 paid")
        await console.until(lambda _screen: sum(one["op"] == "coverage" for one in engine.asked) > asked)
        assert program.calls()[-1][:2] == ["backfill", "fetch"]
        assert "--max-cost=1.25" in program.calls()[-1]
        await console.press("escape")
        await console.until(lambda screen: "rows stored" not in screen)
        await console.press("escape")
        await console.until("─ Total ─ 9 series")

    see(scene, size=(120, 40))


def test_a_fetch_is_cancelled(see: See, engine: Covering, tmp_path: Path) -> None:
    """While it runs there is a bar; `esc` ends it."""
    program = Program(tmp_path)

    async def scene(console: Console) -> None:
        console.app.panes.data.coverage.fetching = Fetching(command=program.command)
        await _open(console)
        await console.press("left", "p")
        await console.until("costs nothing")
        program.say(plan=plan(), fetch="wait")
        await console.press("f")
        await console.type("BTCUSD")
        await console.press("enter")
        await console.until(lambda screen: " 50 %" in screen and "half of it" in screen)
        await console.press("escape")
        await console.until("cancelled: what has come until then is stored")

    see(scene, size=(80, 24))


def test_series_are_filtered_on_the_map(see: See, engine: Covering) -> None:
    """`/` narrows the series as it does on the list; `esc` clears it."""
    engine.answers["coverage"] = many(100)

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6", "m")
        await console.until("─ Coverage ─ 100 series ─")
        await console.type("/glbx")
        await console.until("33 of 100 series")
        await console.press("enter", "G")
        await console.until("▸ES98")
        await console.press("escape")
        await console.until("─ Coverage ─ 100 series ─")

    see(scene, size=(160, 50))


def test_jobs_and_money_are_shown(see: See, engine: Covering) -> None:
    """`$` shows them above list and map alike, and puts them away."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6", "dollar_sign")
        screen = await console.until("─ Jobs and spending ─")
        screen = await console.until("$2.75 of $10.00")
        for part in ("⟳ running", "⚠ interrupted", "● done", "⚠ failed", "the venue does not answer", "~$1.50"):
            assert part in screen, part
        await console.press("dollar_sign")
        await console.until("─ Total ─ 9 series")

    see(scene, size=(80, 24))


def test_an_engine_of_an_older_version_is_named(see: See, engine: Covering) -> None:
    """One that knows nothing of coverage or of jobs is said to be older; one that has gone is said to be gone."""
    engine.answers = {}

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6", "m")
        await console.until("This engine does not tell what is covered.")
        await console.press("dollar_sign")
        await console.until("This engine does not tell what was fetched.")
        engine.close()
        await console.until("The engine cannot be reached.")

    see(scene)


def test_the_map_is_kept_while_the_engine_is_gone(see: See, engine: Covering) -> None:
    """What was told last stays in sight and is marked as such."""

    async def scene(console: Console) -> None:
        await _open(console)
        engine.close()
        screen = await console.until("⚠ as last heard: ")
        assert "▇▇▓░▃×" in screen

    see(scene)


@pytest.mark.usefixtures("engine")
def test_the_map_reads_without_colour_and_in_ascii(see: See) -> None:
    """Without colours and in ASCII, signs and words say the same."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6", "m", "left")
        screen = await console.until(lambda screen: "-##%.=x" in screen and "== partial" in screen)
        assert screen.isascii()

    see(scene, terminal={"NO_COLOR": "1"}, ascii_only=True)


def test_the_map_is_walked_with_the_mouse(see: See, engine: Covering) -> None:
    """A click chooses series and day; the wheel moves through the series."""

    async def scene(console: Console) -> None:
        screen = await _open(console)
        rows = screen.splitlines()
        row = next(number for number, line in enumerate(rows) if "mbp-1" in line)
        column = next(line for line in rows if "░▃×" in line).index("░▃×")
        await console.pilot.click(offset=(column, row))
        await console.until(f"─ BTCUSD mbp-1 on KRAKEN ─ {_days_ago(3)} ─")
        console.app.panes.data.on_mouse_scroll_up()
        await console.until(f"─ BTCUSD trades on KRAKEN ─ {_days_ago(3)} ─")

    see(scene)
