"""Screen 7 as an operator meets it: engines, rings and readers, and symbols that come and go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from core.model.records import Schema
from ringbuf import registry
from ringbuf.discovery import Announcement
from ringbuf.reader import RingReader
from tests.tui.conftest import BTC, ETH, TETHER, Console
from tests.tui.fake_engine import FakeEngine

See = Callable[..., None]


def _announce(engine: FakeEngine) -> Announcement:
    return Announcement(
        engine.instance,
        providers=["kraken", "binance"],
        symbols={"KRAKEN": ["BTCUSD", "ETHUSD"], "BINANCE": ["BTCUSD"]},
        control=str(engine.socket_path),
    )


@pytest.fixture
def announced(engine: FakeEngine) -> Iterator[FakeEngine]:
    """The engine, and another one, in the service registry."""
    entries = [_announce(engine), Announcement("beta", providers=["kraken"], symbols={"KRAKEN": ["XRPUSD"]})]
    yield engine
    for entry in entries:
        entry.close()


def _ring_lines(screen: str) -> list[str]:
    lines = screen.splitlines()
    first = next((number for number, line in enumerate(lines) if "─ Rings ─" in line), 0)
    last = next((number for number, line in enumerate(lines) if "─ Readers ─" in line), 0)
    return lines[first + 2 : last]


def _on_ring(symbol: str, venue: str, schema: str) -> Callable[[str], bool]:
    return lambda screen: any(line.split()[:3] == [f"▸{symbol}", venue, schema] for line in _ring_lines(screen))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (160, 50)])
def test_everything_is_on_the_instances_screen(see: See, announced: FakeEngine, size: tuple[int, int]) -> None:
    """Engines, connections, rings and readers are there at every size from 80x24 on."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        screen = await console.until("─ Engines ─ 2")
        for part in ("• test is this console's", "•test", "beta", "● alive", "2: BTCUSD", "1: XRPUSD"):
            assert part in screen, part
        for part in ("─ Connections", "in the engine", "─ Rings ─ 9", "trades", "public", "─ Readers", "a add"):
            assert part in screen, part
        assert str(os.getpid()) in screen
        assert all(len(line) == size[0] for line in screen.splitlines())
        assert len(screen.splitlines()) == size[1]

    see(scene, size=size)


def test_an_engine_dies_on_the_screen(see: See, engine: FakeEngine) -> None:
    """An engine whose process is gone is called dead; one that is announced later appears."""
    entry = _announce(engine)

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until(lambda screen: "● alive" in screen)
        os.close(entry._fd)  # what the kernel does when a process ends
        await console.until(lambda screen: "⚠ dead" in screen and "1 dead" in screen)
        other = Announcement("later", providers=["kraken"], symbols={})
        await console.until("later")
        other.close()

    see(scene)


def test_a_damaged_registry_is_said_and_nothing_else_suffers(see: See, engine: FakeEngine) -> None:
    """What is no registry is named in the place of the engines; the rings are still there."""
    registry.path().write_bytes(b"\x1b[2J" * 2000)

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        screen = await console.until("the registry is not one of ours")
        assert "─ Rings ─ 9" in screen
        await console.until("test is this console's, not announced")

    see(scene)


def test_records_and_readers_move(see: See, engine: FakeEngine) -> None:
    """What is published is counted and rated, and a reader that was overrun has lost records in words."""
    slow = RingReader(engine.writer(ETH, Schema.TRADES).path, name="slow", dtype=Schema.TRADES.dtype)
    observer = RingReader(engine.writer(ETH, Schema.TRADES).path)

    def rings() -> list[dict[str, object]]:
        rows = [engine._ring(key, writer) for key, writer in engine._writers.copy().items()]
        for row in rows:
            if row["path"] == str(observer.path):
                row["readers"] = [
                    {"name": one.name, "pid": one.pid, "lag": one.lag, "lapped": one.lapped}
                    for one in observer.readers()
                    if one.name == "slow"
                ]
        return rows

    async def scene(console: Console) -> None:
        engine.overrides = {"rings": rings()}
        await console.until("Board")
        await console.press("7")
        await console.until("slow")
        for _ in range(5000):
            engine.trade(ETH, "2251.90")
        slow.pop_batch()
        for _ in range(2048):
            engine.trade(ETH, "2251.91")
        engine.overrides = {"rings": rings()}
        screen = await console.until("records lost by 1 reader")
        (line,) = [line for line in screen.splitlines() if "slow" in line]
        assert line.split()[-5:-1] == [str(os.getpid()), "2.0k", "50%", "904"]
        assert line.split()[-1] == "lost"
        assert any("7.0k" in line and "50%" in line for line in _ring_lines(screen))

    see(scene)
    slow.close()
    observer.close()


def test_the_cursor_walks_through_the_rings(see: See, engine: FakeEngine) -> None:
    """`j`, `k`, `g`, `G` and the pages move it, the filter narrows the rings, `enter` goes to the chart."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until(_on_ring(*BTC, "trades"))
        await console.press("j")
        await console.until(_on_ring(*BTC, "mbp-1"))
        await console.press("G")
        await console.until(_on_ring(*ETH, "mbp-10"))
        await console.press("pageup", "pageup")
        await console.until(_on_ring(*BTC, "trades"))
        await console.press("pagedown", "k", "g")
        await console.type("/binance")
        await console.until(lambda screen: "3 of 9" in screen and _on_ring(*TETHER, "trades")(screen))
        await console.press("enter", "enter")
        await console.until("BTCUSD BINANCE ─ spot, in USDT")

    see(scene, size=(80, 24))


def test_a_ring_is_copied(see: See, engine: FakeEngine) -> None:
    """`y` puts the path of the ring under the cursor on the clipboard."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until(_on_ring(*BTC, "trades"))
        await console.press("y")
        await console.until("sent the path")
        assert console.app.clipboard.startswith(str(engine.writer(BTC, Schema.TRADES).path))

    see(scene)


def test_a_symbol_is_added_and_appears_on_the_board(see: See, engine: FakeEngine) -> None:
    """`a` asks for a symbol, completes the venue, and the engine's new symbol is on rings and board by itself."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until("a add")
        await console.press("a")
        await console.until("symbol [venue]:")
        await console.type("solusd kr")
        await console.press("tab", "enter")
        await console.until("subscribe SOLUSD KRAKEN: the engine agreed")
        assert engine.changes == [{"operation": "subscribe", "symbol": "SOLUSD", "venue": "KRAKEN"}]
        await console.until("─ Rings ─ 12")
        await console.press("1")
        engine.trade(("SOLUSD", "KRAKEN"), "103.5")
        await console.until(lambda screen: "SOLUSD" in screen and "103.5" in screen)

    see(scene)


def test_a_symbol_is_dropped_only_after_its_name(see: See, engine: FakeEngine) -> None:
    """`d` wants the symbol typed; then rings and board let it go, although its feed keeps its counts."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until(_on_ring(*BTC, "trades"))
        await console.press("G", "d")
        await console.until("takes ETHUSD KRAKEN from everybody; type ETHUSD to do it:")
        await console.type("BTCUSD")
        await console.press("enter")
        await console.until("ETHUSD stays: the name was not typed as it is")
        assert engine.changes == []
        await console.press("d")
        await console.type("ETHUSD")
        await console.press("enter")
        await console.until("unsubscribe ETHUSD KRAKEN: the engine agreed")
        assert engine.changes == [{"operation": "unsubscribe", "symbol": "ETHUSD", "venue": "KRAKEN"}]
        screen = await console.until("─ Rings ─ 6")
        assert "problem" not in screen
        await console.until(_on_ring(*TETHER, "mbp-10"))
        await console.press("1")
        await console.until(lambda screen: "Board ─ 2" in screen and "ETHUSD" not in screen)

    see(scene)


def test_the_symbol_in_the_panes_may_go_and_come_back(see: See, engine: FakeEngine) -> None:
    """Unsubscribed by a command, the focused symbol makes room for another; subscribed again, it trades anew."""

    async def scene(console: Console) -> None:
        await console.until("BTCUSD KRAKEN ─")
        await console.type(":unsubscribe btcusd kraken")
        await console.press("enter")
        await console.until("type BTCUSD to do it")
        await console.type("BTCUSD")
        await console.press("enter")
        await console.until(lambda screen: "42150.2" not in screen and "BTCUSD BINANCE ─" in screen)
        await console.type(":subscribe BTCUSD KRAKEN")
        await console.press("enter")
        await console.until("Board ─ 3")
        engine.trade(BTC, "43999.5")
        await console.until("43999.5")

    see(scene)


def test_nonsense_is_not_sent(see: See, engine: FakeEngine) -> None:
    """No symbol, one of several venues, one that is not there, and keys of another screen are answered in words."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        for typed, said in (
            (":subscribe", "not a symbol and a venue"),
            (":unsubscribe BTCUSD", "which venue: BTCUSD"),
            (":unsubscribe XRPUSD", "not on the board: XRPUSD"),
        ):
            await console.type(typed)
            await console.press("enter")
            await console.until(said)
        await console.press("a")
        await console.until("a subscribes on screen 7")
        await console.press("d")
        await console.until("d unsubscribes on screen 7")
        await console.press("7", "a")
        await console.until("symbol [venue]:")
        await console.type("A B C")
        await console.press("enter")
        await console.until("not a symbol and a venue")
        await console.press("a", "escape")
        await console.until("a add")
        assert engine.changes == []

    see(scene)


def test_a_refusal_is_shown_with_category_and_hint(see: See, engine: FakeEngine) -> None:
    """What the engine refuses is said with its category, its reason and its hint, made safe to draw."""
    engine.refusal = {"category": "not_found", "message": "no such symbol: FOO\x1b[2J", "hint": "see \x07 symbols"}

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.type(":subscribe FOOUSD")
        await console.press("enter")
        await console.until("subscribe FOOUSD: refused (not_found): no such symbol: FOO?[2J; see ? symbols")

    see(scene)


def test_a_read_only_engine_is_marked_and_not_changed(see: See, engine: FakeEngine) -> None:
    """RO stands beside the engine's light, and every change is refused before anything is typed."""
    engine.overrides = {"read_only": True}

    async def scene(console: Console) -> None:
        await console.until("engine running RO")
        for typed in (":subscribe SOLUSD", ":unsubscribe ETHUSD", ":shutdown"):
            await console.type(typed)
            await console.press("enter")
            await console.until("this engine is read-only")
        await console.press("7", "a")
        await console.until("this engine is read-only")
        assert set(engine.requests) == {"status", "alerts"}, "what fires may be asked, as the prompt offers its rules"

    see(scene)


def test_no_engine_takes_no_changes(see: See, engine: FakeEngine) -> None:
    """Without an engine the screen keeps what it heard last, says so, and sends nothing."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until("─ Rings ─ 9")
        engine.close()
        await console.until(lambda screen: "as last heard" in screen and "⚠ test: it is not running" in screen)
        await console.press("d")
        await console.until("no engine can be reached")

    see(scene)


def test_the_instances_screen_is_ascii_when_asked(see: See, announced: FakeEngine) -> None:
    """With ASCII only it has no other character."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        await console.until(lambda screen: "alive" in screen and screen.isascii())

    see(scene, ascii_only=True)


def test_a_ring_is_chosen_with_the_mouse(see: See, engine: FakeEngine) -> None:
    """A click puts the cursor on a ring; the wheel moves it."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("7")
        screen = await console.until(_on_ring(*BTC, "trades"))
        row = next(number for number, line in enumerate(screen.splitlines()) if "mbp-10" in line)
        await console.pilot.click(offset=(3, row))
        await console.until(_on_ring(*BTC, "mbp-10"))

    see(scene)
