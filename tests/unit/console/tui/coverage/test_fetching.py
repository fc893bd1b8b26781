"""Prices and fetches in processes of their own: what is asked, what is refused, what becomes of them."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from console.tui.coverage.document import HOLES
from console.tui.coverage.fetching import Fetching
from console.tui.coverage.parsing import parse_map
from console.tui.coverage.place import Hole
from console.tui.coverage.screen import Coverage
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, parse_status
from console.tui.text import UNICODE
from tests.unit.console.tui.coverage.documents import KEY, NOW_NS, TODAY, coverage, outcome, plan
from tests.unit.console.tui.coverage.test_rows import known, lines

HOLE = Hole(key=KEY, first_day=TODAY - 1, end_day=TODAY)
DEADLINE_S = 20.0
PROGRAM = """
import json, sys, time
answers, log = json.load(open(sys.argv[1])), sys.argv[2]
open(log, "a").write(json.dumps(sys.argv[3:]) + "\\n")
name = "plan" if "--dry-run" in sys.argv else "fetch"
if name == "fetch":
    print(json.dumps({"progress": 0.5, "text": "half of it"}), file=sys.stderr, flush=True)
if answers[name] == "wait":
    import threading
    threading.Event().wait(60)
print(json.dumps(answers[name]))
"""


class Program:
    """A program that answers what a test wants, and keeps what it was called with."""

    def __init__(self, directory: Path, **answers: Any) -> None:
        self.log = directory / "log"
        self._answers = directory / "answers.json"
        program = directory / "program.py"
        program.write_text(PROGRAM)
        self.command = (sys.executable, str(program), str(self._answers), str(self.log))
        self.say(**{"plan": plan(), "fetch": outcome(), **answers})

    def say(self, **answers: Any) -> None:
        """Answer so from now on."""
        self._answers.write_text(json.dumps(answers))

    def calls(self) -> list[list[str]]:
        """The arguments of each call."""
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def until(holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    waiting, tries = threading.Event(), 0
    while not holds():
        tries += 1
        assert tries < DEADLINE_S / 0.02, "it never did"
        waiting.wait(0.02)


def ended(fetching: Fetching) -> bool:
    """Whether the price has come, or the fetch has ended."""
    standing = fetching.outcome or fetching.plan
    return standing is not None and standing.state != "running"


def priced(program: Program, **fields: Any) -> Fetching:
    """A hole whose price was asked for, and came."""
    program.say(plan=plan(**fields), fetch=outcome())
    fetching = Fetching(command=program.command)
    fetching.price(HOLE, store="embedded")
    until(lambda: ended(fetching))
    return fetching


def test_what_was_priced_is_fetched(tmp_path: Path) -> None:
    """The price shown is the most that the fetch may cost; its result comes back, and its end is told once."""
    program = Program(tmp_path)
    fetching = priced(program, price_usd="1.25")
    ask = fetching.ask()
    assert (ask.name, ask.why) == ("BTCUSD", "")
    assert fetching.take_end() is False
    fetching.begin(ask)
    assert "under way" in fetching.ask().why or ended(fetching)
    until(lambda: ended(fetching))
    assert [fetching.take_end(), fetching.take_end()] == [True, False]
    assert fetching.outcome is not None
    assert fetching.outcome.answer is not None
    assert fetching.outcome.answer.stored == 1240
    asked, fetched = program.calls()
    named = ["--symbols=BTCUSD", "--exchange=KRAKEN", "--schema=trades", "--start=2026-11-22", "--end=2026-11-23",
             "--store=embedded"]  # fmt: skip
    assert asked == ["fetch", *named, "--dry-run", "--price", "--json"]
    assert fetched == ["backfill", "fetch", *named, "--yes", "--max-cost=1.25", "--progress", "json", "--json"]


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"problem": "ambiguous symbol"}, "ambiguous symbol"),
        ({"days_left": 0}, "nothing is left"),
        ({"price_usd": None}, "nobody says what it costs"),
        ({"price_usd": "3", "budget": {"left_month_usd": "2"}}, "of this month's budget $2.00 are left"),
    ],
)
def test_what_cannot_be_fetched_says_why(tmp_path: Path, fields: dict[str, Any], why: str) -> None:
    """A plan with a problem, with nothing left, without a price or over a budget is not to be confirmed."""
    ask = priced(Program(tmp_path), **fields).ask()
    assert (ask.name, ask.arguments) == ("", ())
    assert why in ask.why


@pytest.mark.parametrize(("fields", "most"), [({}, "0"), ({"price_usd": "9", "bought": True}, "0")])
def test_what_is_free_may_cost_nothing(tmp_path: Path, fields: dict[str, Any], most: str) -> None:
    """Free venues, and what was paid for already, are fetched for nothing at most."""
    assert f"--max-cost={most}" in priced(Program(tmp_path), **fields).ask().arguments


def test_a_price_comes_first(tmp_path: Path) -> None:
    """Nothing is fetched before a price was asked for, before it has come, and after it was put away."""
    fetching = Fetching(command=Program(tmp_path, plan="wait").command)
    assert "p asks for the price first" in fetching.ask().why
    fetching.price(HOLE, store="")
    assert "not known yet" in fetching.ask().why
    assert fetching.put_away() is True
    assert fetching.put_away() is False
    assert "p asks for the price first" in fetching.ask().why
    fetching.stop()


def test_an_answer_that_is_none_is_a_failure(tmp_path: Path) -> None:
    """What is no plan is not taken for one, and the sentence says so."""
    program = Program(tmp_path, plan={"kind": "other"})
    fetching = Fetching(command=program.command)
    fetching.price(HOLE, store="")
    until(lambda: ended(fetching))
    assert fetching.plan is not None
    assert fetching.plan.state == "failed"
    assert "cannot be read" in fetching.ask().why


def test_a_fetch_is_cancelled_first_and_put_away_then(tmp_path: Path) -> None:
    """While it runs it can be cancelled and nothing else begins; what it said stays until it is put away."""
    program = Program(tmp_path)
    fetching = priced(program)
    ask = fetching.ask()
    program.say(plan=plan(), fetch="wait")
    fetching.begin(ask)
    until(lambda: fetching.outcome is not None and fetching.outcome.share == 0.5)
    assert fetching.busy
    assert fetching.put_away() is True
    until(lambda: ended(fetching))
    assert fetching.outcome is not None
    assert fetching.outcome.state == "cancelled"
    assert fetching.put_away() is True
    assert fetching.put_away() is False


def _screen(program: Program, states: str) -> Coverage:
    screen = Coverage(command=program.command)
    lines(screen, known(coverage=parse_map(coverage(states))))
    return screen


def _came(screen: Coverage) -> bool:
    return ended(screen.fetching)


def test_the_screen_prices_the_day_and_then_the_hole(tmp_path: Path) -> None:
    """`p` prices the day under the cursor, once more the hole around it, and then the day again."""
    program = Program(tmp_path)
    screen = _screen(program, "#..c.")
    found = []
    for _ in range(3):
        screen.price()
        until(lambda: _came(screen))
        assert screen.fetching.hole is not None
        found.append(screen.fetching.hole.days)
    assert found == [1, 4, 1]
    drawn = "\n".join(lines(screen, known(coverage=parse_map(coverage("#..c.")))))
    assert "costs nothing" in drawn
    assert "prices the whole hole, 4 days" in drawn


def test_the_screen_says_what_has_no_hole(tmp_path: Path) -> None:
    """Where nothing is missing nothing is asked; the sentence goes when the cursor moves."""
    program = Program(tmp_path)
    screen = _screen(program, ".#")
    screen.price()
    holdings = known(coverage=parse_map(coverage(".#")))
    assert "nothing to fetch of BTCUSD trades on KRAKEN on 2026-11-23: stored" in "\n".join(lines(screen, holdings))
    screen.step_day(-1)
    assert "nothing to fetch" not in "\n".join(lines(screen, holdings))
    assert program.calls() == []
    assert "." in HOLES


def test_the_map_is_asked_for_anew_after_a_fetch(tmp_path: Path) -> None:
    """When a fetch has ended what is known of the days is old."""
    program = Program(tmp_path)
    screen, holdings = _screen(program, "."), known()
    screen.price()
    until(lambda: _came(screen))
    screen.begin_fetch(screen.ask_fetch())
    until(lambda: _came(screen))
    drawn = "\n".join(lines(screen, holdings))
    assert holdings.wish.again == 1
    assert "1 240 rows stored" in drawn
    assert screen.back() is True
    assert screen.back() is False


def _read_only() -> EngineStatus:
    return parse_status({"instance_id": "x", "read_only": True})


def test_a_read_only_engine_lets_prices_be_asked_for(tmp_path: Path) -> None:
    """The price comes; fetching is refused in words."""
    screen = _screen(Program(tmp_path), ".")
    snapshot = Snapshot(now_ns=NOW_NS, status=_read_only(), health=Health(reachable=True))
    holdings = known(coverage=parse_map(coverage(".")))
    screen.draw(snapshot, holdings, store="", width=80, height=21, glyphs=UNICODE)
    screen.price()
    until(lambda: _came(screen))
    assert screen.fetching.plan is not None
    assert screen.fetching.plan.answer is not None
    assert screen.fetching.plan.answer.price_usd == Decimal(0)
    ask = screen.ask_fetch()
    assert ask.name == ""
    assert "read-only" in ask.why
