"""Screen 3 as an operator meets it: what fires, what to do, acknowledging, silencing, and what is said by itself."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from console.tui.app import RingsideApp
from core.clock import NS_PER_S, wall_ns
from tests.tui.conftest import Console
from tests.tui.fake_engine import FakeEngine, Listing
from tests.unit.console.tui.alerts.documents import alert, alerts, calm, document, rule, rules

See = Callable[..., None]
ACTS = ("acknowledge", "silence", "unsilence")


class Watching(FakeEngine):
    """The engine that also watches; `refused` is how it answers in the place of its alerts."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self.told: dict[str, Any] = document(wall_ns())
        self.asked: list[dict[str, Any]] = []
        self.refused: dict[str, Any] = {}
        super().__init__(*arguments, **options)

    def _carry_out(self, request: dict[str, Any]) -> dict[str, Any]:
        operation = request["op"]
        if operation == "alerts":
            return {"ok": False, "error": self.refused} if self.refused else {"ok": True, "result": self.told}
        if operation not in ACTS or self.refusal:
            return super()._carry_out(request)
        self.asked.append({name: value for name, value in request.items() if name not in ("v", "id")})
        until_ns = wall_ns() + round(request.get("for_s", 0) * NS_PER_S)
        answers = {
            "acknowledge": {"acknowledged": 1}, "silence": {"number": 5, "until_ns": until_ns},
            "unsilence": {"number": request.get("number")},
        }  # fmt: skip
        return {"ok": True, "result": answers[operation]}

    def tell(self, *messages: dict[str, Any], bells: int = 0, **counts: int) -> None:
        """Have the status say this of alerts."""
        none = {"critical": 0, "warning": 0, "info": 0, "pending": 0, "quiet": 0}
        self.overrides["alerts"] = {
            "enabled": True, **none, **counts, "worst": "", "messages": list(messages), "bells": bells,
        }  # fmt: skip


@pytest.fixture
def engine() -> Iterator[Watching]:
    """An engine in which something fires."""
    running = Watching(Path(os.environ["RINGSIDE_SHM"]), Listing("BTCUSD"))
    running.tell(critical=1, warning=1, quiet=2)
    with running:
        yield running


async def _open(console: Console) -> str:
    await console.until("Board")
    await console.press("3")
    return await console.until("─ Alerts ─ ⚠ 1 critical ─ ⚠ 1 warning ─")


def _chosen(name: str) -> Callable[[str], bool]:
    return lambda screen: any(line.startswith("▸") and name in line for line in screen.splitlines())


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (120, 40), (160, 50)])
def test_everything_is_on_the_alerts_screen(see: See, engine: Watching, size: tuple[int, int]) -> None:
    """What fires is first and what to do about it stands there at every size; the other lists are named."""

    async def scene(console: Console) -> None:
        screen = await _open(console)
        parts = ["▸⚠ critical  connection_down", "· silenced  stale_feed", "critical: no connection to KRAKEN"]
        parts += ["Rules 12", "History 10", "Silences 2", "Told 3", "It is tried again and again", "q leave"]
        parts += ["a acknowledge"] if size[0] >= 80 else []
        for part in parts:
            assert part in screen, part
        assert len(screen.splitlines()) == size[1]
        assert all(len(line) == size[0] for line in screen.splitlines())

    see(scene, size=size)


@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("terminal", [{"NO_COLOR": "1"}, {"TERM": "xterm"}])
def test_nothing_is_told_by_colour_alone(
    see: See, engine: Watching, terminal: dict[str, str], ascii_only: bool
) -> None:
    """Without colours, with sixteen, and in ASCII, signs and words say the same."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        await console.press("3")
        screen = await console.until("connection_down")
        for part in ("1 critical", "pending", "inhibited", "silenced", "firing", "ok", "2 alerts, 1 critical"):
            assert part in screen, part
        assert screen.isascii() == ascii_only

    see(scene, terminal=terminal, ascii_only=ascii_only)


def test_alerts_are_asked_for_only_in_sight(see: See, engine: Watching) -> None:
    """Nobody asks before the screen is opened, and nobody goes on after it was left."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        assert "alerts" not in engine.requests
        await _open(console)
        await console.until(lambda _screen: engine.requests.count("alerts") > 1)
        await console.press("1")
        await console.until("Board")
        asked, answered = engine.requests.count("alerts"), engine.requests.count("status")
        await console.until(lambda _screen: engine.requests.count("status") > answered + 4)
        assert engine.requests.count("alerts") <= asked + 1  # one may have been under way

    see(scene)


def test_the_cursor_stays_on_its_alert(see: See, engine: Watching) -> None:
    """Something worse comes first and does not move the cursor; what has ended leaves it in its row."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("j")
        await console.until(_chosen("store_lag"))
        worse = alert(wall_ns(), rule="ipc_disconnected", subject="venue=BINANCE", summary="the rings have gone")
        engine.told = document(wall_ns(), alerts=[worse, *alerts(wall_ns())])
        await console.until(lambda screen: "ipc_disconnected     BINANCE" in screen and _chosen("store_lag")(screen))
        engine.told = document(wall_ns(), alerts=[worse, alert(wall_ns())])
        await console.until(lambda screen: "▸⚠ critical  connection_down" in screen or "▸⚠ critical  ipc" in screen)

    see(scene, size=(80, 24))


def test_keys_lead_through_the_lists(see: See, engine: Watching) -> None:
    """`tab` goes from list to list, `enter` tells all of one, `/` filters all, `esc` leads back, `y` copies."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("y")
        await console.until("sent the alert connection_down")
        assert console.app.clipboard.startswith("connection_down\tvenue=KRAKEN\tcritical\tfiring\t0\t")
        await console.press("tab", "G")
        await console.until(_chosen("spend_budget"))
        await console.press("g", "enter")
        await console.until("nobody is told of it while ipc_disconnected fires for the same")
        await console.press("escape", "tab")
        await console.until("▸History 10")
        await console.press("j", "j", "j", "j", "j")
        await console.until("it lasted 12m 5s")
        await console.press("y", "tab")
        await console.until("▸Silences 2")
        await console.until("#3: nobody is told of stale_feed for symbol=BTCUSD venue=BINANCE")
        await console.press("tab", "j", "j")
        await console.until("api.telegram.org: no answer within 10 s")
        await console.press("shift+tab", "shift+tab")
        await console.until("▸History 10")
        await console.type("/lag")
        await console.press("enter")
        await console.until("▸History 3 ─ Silences 0")
        await console.press("escape", "escape")
        await console.until("▸Now 5")
        await console.press("escape")
        await console.until("Board")

    see(scene, size=(80, 24))


def test_the_mouse_chooses(see: See, engine: Watching) -> None:
    """A click on a row of any list takes the keys there; the wheel moves."""

    async def scene(console: Console) -> None:
        screen = await _open(console)
        lines = screen.splitlines()
        row = next(at for at, line in enumerate(lines) if "disk_free" in line)
        await console.pilot.click(offset=(14, row))
        await console.until("▸● ok      disk_free")
        row, line = next((at, line) for at, line in enumerate(lines) if "night" in line)
        await console.pilot.click(offset=(line.index("night"), row))
        await console.until("▸⚠ failing night")
        console.app.panes.alerts.on_mouse_scroll_up()
        await console.until("▸● ok      log")

    see(scene, size=(160, 50))


def test_one_is_acknowledged(see: See, engine: Watching) -> None:
    """`a` acknowledges what is under the cursor at once, a rule as a whole, and says so; a pending one is not."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("a")
        await console.until("acknowledged connection_down venue=KRAKEN: nobody is told until it fires again")
        assert engine.asked == [{"op": "acknowledge", "rule": "connection_down", "subject": "venue=KRAKEN"}]
        await console.press("j", "j", "a")
        await console.until("does not fire yet")
        await console.press("tab", "j", "a")
        await console.until("acknowledged store_lag: nobody")
        assert engine.asked[1:] == [{"op": "acknowledge", "rule": "store_lag", "subject": ""}]
        await console.type(":ack stale_f")
        await console.press("tab")
        await console.type(" symbol=ETHUSD venue=KRAKEN")
        await console.press("enter")
        await console.until("acknowledged stale_feed symbol=ETHUSD venue=KRAKEN")
        assert engine.asked[2]["subject"] == "symbol=ETHUSD venue=KRAKEN"

    see(scene)


def test_the_next_one_takes_the_place(see: See, engine: Watching) -> None:
    """What was acknowledged goes down to the quiet ones, and the cursor stays in its row for the next."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("a")
        await console.until("acknowledged connection_down")
        known = alert(wall_ns(), quiet="acknowledged", quiet_by="uid 1000")
        engine.told = document(wall_ns(), alerts=[known, *alerts(wall_ns())[2:]])
        await console.until(lambda screen: "· acked     connection_down" in screen and _chosen("store_lag")(screen))

    see(scene)


def test_one_is_silenced(see: See, engine: Watching) -> None:
    """`z` asks for how long and why, silences that alert alone, and says until when; a wrong time is refused."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("z")
        await console.until("silence connection_down venue=KRAKEN")
        await console.press("enter")
        await console.until("why, for others to read")
        await console.type("seen")
        await console.press("enter")
        await console.until("silenced connection_down venue=KRAKEN until ")
        assert engine.asked == [{
            "op": "silence", "rule": "connection_down", "match": {"venue": "KRAKEN"}, "for_s": 3600.0,
            "comment": "seen",
        }]  # fmt: skip
        await console.press("z", "ctrl+u")
        await console.type("soon")
        await console.press("enter")
        await console.until("not a time")
        await console.press("z", "escape")
        await console.press("z", "enter", "escape")
        await console.type(":silence book_* venue=KRAKEN 30m upgrade at noon")
        await console.press("enter")
        await console.until("silenced book_* venue=KRAKEN until ")
        assert engine.asked[1:] == [{
            "op": "silence", "rule": "book_*", "match": {"venue": "KRAKEN"}, "for_s": 1800.0,
            "comment": "upgrade at noon",
        }]  # fmt: skip

    see(scene)


def test_a_silence_is_ended(see: See, engine: Watching) -> None:
    """`Z` leads to the silences, and ends the one under the cursor; `:unsilence` takes its number."""

    async def scene(console: Console) -> None:
        await _open(console)
        await console.press("Z")
        await console.until("choose the silence that ends")
        await console.press("j", "Z")
        await console.until("silence #4 has ended")
        await console.type(":unsilence 3")
        await console.press("enter")
        await console.until("silence #3 has ended")
        assert [one["number"] for one in engine.asked] == [4, 3]
        engine.told = document(wall_ns(), silences=[])
        await console.until("▸Silences 0")
        await console.press("Z")
        await console.until("nothing is silenced")

    see(scene)


def test_a_read_only_engine_is_not_asked(see: See, engine: Watching) -> None:
    """It is said at once that it would refuse; what it refuses itself is said in its words."""

    async def scene(console: Console) -> None:
        engine.overrides["read_only"] = True
        await _open(console)
        await console.until(" RO ")
        for key in ("a", "z"):
            await console.press(key)
            await console.until("refused: this engine is read-only")
        assert engine.asked == []
        del engine.overrides["read_only"]
        await console.until(lambda screen: " RO " not in screen)
        engine.refusal = {"category": "refused", "message": "no", "hint": "ask"}
        await console.press("a")
        await console.until("acknowledge connection_down venue=KRAKEN: refused (refused): no; ask")

    see(scene)


def test_all_is_well_in_a_sentence(see: See, engine: Watching) -> None:
    """Where nothing fires it is said how much is watched and when it was looked last; the status line is silent."""

    async def scene(console: Console) -> None:
        engine.tell()
        engine.told = calm(wall_ns())
        await console.until("Board")
        await console.press("3")
        screen = await console.until("● nothing fires; 12 rules watch 232 things; looked 1")
        assert "Nothing is to be done." in screen
        await console.until(lambda screen: "alert" not in "".join(screen.splitlines()[:2]))
        await console.press("a")
        await console.until("nothing fires that could be acknowledged")
        await console.press("z")
        await console.until("choose an alert or a rule first")

    see(scene)


def test_what_is_not_there_is_said(see: See, engine: Watching) -> None:
    """Before the first look, where alerting is off, of an older engine, of one that has gone: each in words."""

    async def scene(console: Console) -> None:
        engine.overrides["started_ns"] = wall_ns() - 18 * NS_PER_S
        engine.told = calm(wall_ns(), looked_ns=0)
        await console.until("Board")
        await console.press("3")
        await console.until("nothing was looked at yet; first look in 1")
        engine.told = {"enabled": False}
        await console.until("Alerting is off.")
        engine.told = document(wall_ns())
        await console.until("connection_down")
        engine.refused = {"category": "refused", "message": "nobody watches", "hint": "set alerting.enabled"}
        await console.until("Alerting is off.")
        engine.refused = {"category": "usage", "message": "no such operation", "hint": ""}
        await console.until("This engine does not tell of alerts.")
        engine.refused = {}
        engine.told = document(wall_ns(), problem="the history cannot be written: disk full")
        await console.until("⚠ the history cannot be written: disk full")
        engine.refused = {"category": "internal", "message": "no frame", "hint": ""}
        await console.until("⚠ as last heard: no frame")
        await console.until("connection_down")
        engine.close()
        await console.until("⚠ as last heard: it is not running")

    see(scene)


@pytest.mark.parametrize("told", [
    {"enabled": True, "alerts": 5, "rules": {"a": 1}, "counts": [], "looked_ns": -1, "history": [None, "x", 7]},
    {"enabled": True, "looked_ns": 1, "rules": [rule("\x1b[2J\u202e", value=float("1e308"))] * 3,
     "alerts": [alert(rule="\x1b]0;x\x07", subject="\x9b31m" * 90, since_ns=2**70, labels={"a": "\x1b"})]},
    {"enabled": True, "looked_ns": 2**63 - 1, "alerts": [alert(rule=f"r{one}") for one in range(1500)],
     "rules": rules() * 200, "alerts_total": 10**30, "counts": {"critical": 10**30}},
])  # fmt: skip
def test_an_odd_answer_harms_nothing(see: See, engine: Watching, told: dict[str, Any]) -> None:
    """Wrong types, control characters and a flood of alerts are drawn within the screen."""

    async def scene(console: Console) -> None:
        engine.told = told
        await console.until("Board")
        await console.press("3")
        screen = await console.until("─ Alerts ─")
        await console.until(lambda _screen: engine.requests.count("alerts") > 1)
        await console.press("G", "tab", "enter", "j", "escape", "a", "tab", "tab", "y", "Z")
        screen = await console.until("─ Alerts ─")
        assert all(len(line) == 120 for line in screen.splitlines())
        assert screen.replace("\n", "").isprintable()

    see(scene)


def test_the_status_line_counts_what_fires(see: See, engine: Watching) -> None:
    """On every screen; the worst has a word of its own, and nothing is there when nothing fires."""

    async def scene(console: Console) -> None:
        await console.until("⚠ 2 alerts, 1 critical")
        engine.tell(warning=1)
        await console.until("⚠ 1 alert ")
        engine.tell(pending=3, quiet=2)
        await console.until(lambda screen: "alert" not in "".join(screen.splitlines()[:2]))

    see(scene)


def _message(number: int, title: str, **fields: Any) -> dict[str, Any]:
    return {
        "number": number, "kind": "firing", "severity": "warning", "title": title, "time_ns": time.time_ns() + 10**9,
        **fields,
    }  # fmt: skip


def test_what_happens_is_said(see: See, engine: Watching, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new message is said in the key line, several as one; what is older than the console is not; it rings once."""
    rung: list[int] = []
    monkeypatch.setattr(RingsideApp, "bell", lambda _app: rung.append(1))
    engine.tell(_message(1, "an old story", time_ns=1), bells=3)

    async def scene(console: Console) -> None:
        await console.until("Board")
        answered = engine.requests.count("status")
        await console.until(lambda _screen: engine.requests.count("status") > answered + 1)
        assert "an old story" not in console.text()
        assert not rung
        engine.tell(_message(2, "no connection to KRAKEN", severity="critical"), bells=4)
        await console.until("⚠ critical: no connection to KRAKEN")
        await console.until(lambda _screen: bool(rung))
        engine.tell(_message(3, "a"), _message(4, "b"), _message(5, "over: c", kind="resolved"), bells=4)
        await console.until("⚠ warning: a (and 2 more; screen 3 shows them)")
        assert len(rung) == 1

    see(scene)


def test_from_elsewhere_a_key_shows_the_screen(see: See, engine: Watching) -> None:
    """Asked for from another screen, a key leads to screen 3 and does nothing else."""

    async def scene(console: Console) -> None:
        await console.until("Board")
        console.app.action_run("acknowledge")
        await console.until("▸Now 5")
        assert engine.asked == []

    see(scene)
