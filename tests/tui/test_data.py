"""Screen 6 as an operator meets it: what is stored, how storing goes, and jobs that begin and end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.tui.conftest import BTC, ETH, Console
from tests.tui.fake_engine import FakeEngine
from tests.unit.console.tui.test_datarows import CACHE, FINDINGS, JOB, RAW, SPILL

See = Callable[..., None]

KEYS = [("KRAKEN", "BTCUSD"), ("KRAKEN", "ETHUSD"), ("BINANCE", "XRPUSD")]
SCHEMAS = ("trades", "mbp-1", "mbp-10")


def _stored(rows: int = 1000, **fields: Any) -> dict[str, Any]:
    now_ns = time.time_ns()
    series = [
        {"venue": venue, "symbol": symbol, "schema": schema, "rows": rows + number, "days": 2, "bytes": 48 * rows,
         "first_ns": now_ns - 10**14, "last_ns": now_ns, "duplicates": 0, "out_of_order": 0, "rejected": 0,
         "newest_id": 0}
        for number, (venue, symbol) in enumerate(KEYS)
        for schema in SCHEMAS
    ]  # fmt: skip
    return {**RAW, "series": series, "gaps": [], **fields}


@pytest.fixture
def storing(engine: FakeEngine) -> FakeEngine:
    """The engine, with something stored."""
    engine.stored = _stored()
    return engine


def _on_series(symbol: str, schema: str) -> Callable[[str], bool]:
    def holds(screen: str) -> bool:
        rows = [line.split() for line in screen.splitlines() if line.startswith("▸")]
        return any((row[0], row[2]) == (f"▸{symbol}", schema) for row in rows)

    return holds


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
def test_everything_is_on_the_data_screen(see: See, storing: FakeEngine, size: tuple[int, int]) -> None:
    """Store, cache, series, the chosen one and the totals are there at every size from 80x24 on."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        screen = await console.until("─ Total ─ 9 series")
        for part in (
            "─ Data ─ embedded store ─ /home/x/ticks",
            "● stored to 0.20 s ago",
            "● memory and Redis",
            "─ Series ─ 9",
            "▸BTCUSD",
        ):
            assert part in screen, part
        for part in ("─ BTCUSD trades on KRAKEN ─", "rows 1 000", "no gap is recorded", "─ Total ─ 9 series"):
            assert part in screen, part
        for part in ("c compress", "v verify"):
            assert part in screen, part
        assert all(len(line) == size[0] for line in screen.splitlines())
        assert len(screen.splitlines()) == size[1]

    see(scene, size=size)


def test_the_store_is_asked_for_only_in_sight(see: See, storing: FakeEngine) -> None:
    """Nobody asks before the screen is opened, and nobody goes on after it was left."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        assert "store" not in storing.requests
        await console.press("6")
        await console.until("─ Total ─ 9 series")
        await console.until(lambda _screen: storing.requests.count("store") > 1)
        await console.press("1")
        await console.until("Board")
        asked, answered = storing.requests.count("store"), storing.requests.count("status")
        await console.until(lambda _screen: storing.requests.count("status") > answered + 4)
        assert storing.requests.count("store") <= asked + 1  # one may have been under way

    see(scene)


def test_growth_is_drawn(see: See, storing: FakeEngine) -> None:
    """Rows that come are counted, rated and drawn."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until("rows 1 000")
        storing.stored = _stored(3000)
        await console.until(lambda screen: "rows 3 000" in screen and "█" in screen)
        await console.until("Rows a second")

    see(scene, size=(160, 50))


def test_what_was_recovered_is_told_apart(see: See, storing: FakeEngine) -> None:
    """A gap says how many trades were recovered, how many are missing, and why; one that is whole is no warning."""
    span = {"venue": "KRAKEN", "symbol": "BTCUSD", "schema": "trades", "start_ns": 10**18, "end_ns": 10**18 + 10**9}
    gaps = [
        {**span, "rows": 0, "recovered": 40, "cause": "disconnect", "reason": ""},
        {**span, "rows": 3, "recovered": 4, "cause": "skipped", "reason": "the venue refused"},
    ]
    storing.stored = _stored(gaps=gaps, gap_totals={"incomplete": 1, "recovered": 44, "missing": 3})

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        screen = await console.until("─ BTCUSD trades on KRAKEN ─ 1 gap recorded ─ 1 recovered ─")
        lines = [line for line in screen.splitlines() if "2001-09-09" in line]
        assert [line.split()[0] for line in lines] == ["⚠", "●"]
        assert lines[0].rstrip().endswith("3 missing, 4 recovered  skipped  the venue refused")
        assert lines[1].rstrip().endswith("40 recovered  disconnect")
        assert "─ 1 gap ─ 3 missing ─ 44 recovered ─" in screen

    see(scene, size=(120, 40))


def test_the_cursor_walks_through_the_series(see: See, storing: FakeEngine) -> None:
    """`j`, `k`, `g`, `G` and the pages move it, the filter narrows the series, `y` copies one."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until(_on_series("BTCUSD", "trades"))
        await console.press("j")
        await console.until(_on_series("BTCUSD", "mbp-1"))
        await console.press("G")
        await console.until(_on_series("XRPUSD", "mbp-10"))
        await console.until("XRPUSD mbp-10 on BINANCE")
        await console.press("pageup", "pageup", "pagedown", "g")
        await console.until(_on_series("BTCUSD", "trades"))
        await console.type("/eth")
        await console.until(lambda screen: "3 of 9" in screen and _on_series("ETHUSD", "trades")(screen))
        await console.press("enter", "y")
        await console.until("sent the figures of ETHUSD trades on KRAKEN")
        assert console.app.clipboard.startswith("KRAKEN\tETHUSD\ttrades\t1001\t2\t")
        await console.press("escape")
        await console.until("─ Series ─ 9")

    see(scene, size=(80, 24))


def test_a_series_leads_to_its_chart(see: See, storing: FakeEngine) -> None:
    """`enter` shows the instrument; of one that nobody streams it says so."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until(_on_series("BTCUSD", "trades"))
        await console.press("G", "enter")
        await console.until("XRPUSD BINANCE is stored, but nobody streams it now")
        await console.press("k", "k", "k", "enter")
        await console.until(" ".join(ETH) + " ─")

    see(scene)


def test_a_series_is_chosen_with_the_mouse(see: See, storing: FakeEngine) -> None:
    """A click puts the cursor on a series; the wheel moves it."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        screen = await console.until(_on_series("BTCUSD", "trades"))
        row = next(number for number, line in enumerate(screen.splitlines()) if "mbp-10" in line)
        await console.pilot.click(offset=(3, row))
        await console.until(_on_series("BTCUSD", "mbp-10"))
        console.app.panes.data.on_mouse_scroll_up()
        await console.until(_on_series("BTCUSD", "trades"))

    see(scene)


def test_a_database_that_goes_down_and_comes_back(see: See, storing: FakeEngine) -> None:
    """Spilling and catching up are on the Data screen, on the status line of every screen, and among the problems."""

    def goes(**fields: Any) -> None:
        spill = {**SPILL, **fields}
        storing.stored = _stored(kind="postgres", place="postgresql://db/ticks", spill=spill)
        storing.overrides = {"store": {"enabled": True, "lag_s": 0.1, "spill": spill}}

    async def scene(console: Console) -> None:
        goes()
        await console.until("⚠ db down, 12.3k spilled")
        await console.until("⚠ 1 problem")
        await console.press("6")
        await console.until("⚠ DATABASE DOWN: spilling, 12 345 rows wait, next try in 3 s")
        await console.press("8")
        await console.until(
            "store: the database is down, 12 345 rows wait in the spill: cannot connect to postgresql"
        )
        goes(mode="catching up", replayed_rows=12_345)
        await console.until("⟳ catching up 12.3k")
        await console.press("6")
        await console.until("⟳ catching up 50 %")
        goes(mode="direct", queued_rows=0, spilled_rows=0)
        await console.until(lambda screen: "● stored to" in screen and "problem" not in screen)

    see(scene, size=(160, 50))


def test_a_cache_without_redis_is_a_problem(see: See, storing: FakeEngine) -> None:
    """Redis being down stands on the status line and among the problems."""
    cache = {**CACHE, "redis": "down", "problem": "connection refused"}
    storing.overrides = {"cache": cache}
    storing.stored = _stored(cache=cache)

    async def scene(console: Console) -> None:
        await console.until("⚠ cache")
        await console.press("8")
        await console.until("cache: Redis is down, only memory is used: connection refused")
        await console.press("6")
        await console.until(
            lambda screen: "⚠ REDIS DOWN, memory alone" in screen and "⚠ connection refused" in screen
        )

    see(scene)


def test_a_job_is_begun_watched_and_told_of(see: See, storing: FakeEngine) -> None:
    """`v` begins it, its progress is shown, its end is said once, its results are listed until `esc`."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until("─ Total ─")
        await console.press("v")
        await console.until("verify: the engine agreed")
        assert storing.changes == [{"operation": "verify"}]
        job = {**JOB, "since_ns": time.time_ns()}
        storing.stored = _stored(job=job)
        await console.until("3 of 10 days   BTCUSD trades")
        await console.press("1")  # the end is told wherever one is
        await console.until("Board")
        storing.stored = _stored(job={**job, "state": "done", "done": 10, "message": "", "results": FINDINGS})
        await console.until("verify done: 10 of 10 days, 1 error")
        await console.press("6")
        await console.until("⚠ error    BTCUSD mbp-1 KRAKEN 2026-09-20  checksum: the file was changed")
        await console.press("escape")
        await console.until(lambda screen: "Results of" not in screen and "─ Total ─" in screen)
        await console.press("escape")
        await console.until("Board")

    see(scene)


def test_jobs_begin_from_the_command_line_everywhere(see: See, storing: FakeEngine) -> None:
    """`:compress` works on any screen, and a job that has ended by then is told of; the keys only on screen 6."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("c")
        await console.until("c begins that on screen 6; :compress does everywhere")
        await console.press("v")
        await console.until("v begins that on screen 6")
        assert storing.changes == []
        storing.stored = _stored(
            job={**JOB, "name": "compress", "state": "done", "done": 10, "message": "", "since_ns": time.time_ns()}
        )
        await console.type(":compress")
        await console.press("enter")
        await console.until("compress done: 10 of 10 days")
        assert storing.changes == [{"operation": "compress"}]
        await console.type(":verify now")
        await console.press("enter")
        await console.until("verify takes nothing more")

    see(scene)


def test_jobs_are_in_the_palette(see: See, storing: FakeEngine) -> None:
    """Both are found by name and begin from any screen."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("ctrl+p")
        await console.type("compress")
        await console.press("enter")
        await console.until(lambda _screen: storing.changes == [{"operation": "compress"}])

    see(scene)


def test_a_refused_job_is_answered(see: See, storing: FakeEngine) -> None:
    """A read-only engine is asked, and its refusal shown; without an engine nothing is sent."""
    storing.refusal = {"category": "refused", "message": "this engine is read-only: compress", "hint": ""}

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until("─ Total ─")
        await console.press("c")
        await console.until("compress: refused (refused): this engine is read-only: compress")
        storing.close()
        await console.until("as last heard: it is not running")
        await console.press("c")
        await console.until("no engine can be reached that could do it")

    see(scene)


@pytest.mark.parametrize("odd", [{}, {"enabled": 1}, {"enabled": True, "series": {"x": 1}, "job": [], "cache": "x"}])
def test_an_odd_answer_does_no_harm(see: See, engine: FakeEngine, odd: dict[str, Any]) -> None:
    """What is missing or of another shape is left empty; the console goes on."""
    engine.stored = odd

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until(lambda screen: "Nothing is stored." in screen or "nothing stored yet" in screen)
        engine.stored = _stored()
        await console.until(_on_series(BTC[0], "trades"))

    see(scene)


def test_an_engine_that_cannot_tell_is_named(see: See, engine: FakeEngine) -> None:
    """An engine that does not know the operation, or answers nonsense, leaves a reason on the page."""
    engine.store_refusal = {"category": "usage", "message": "no such operation"}

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until("no such operation")
        assert "● stored to 0.20 s ago" in console.text()  # what the status tells is there all the same
        engine.overrides = {"store": {"enabled": False}}
        await console.until("Nothing is stored.")

    see(scene)


def test_the_data_screen_is_ascii_when_asked(see: See, storing: FakeEngine) -> None:
    """With ASCII only it has no other character."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("6")
        await console.until(lambda screen: "Total" in screen and screen.isascii())

    see(scene, ascii_only=True)
