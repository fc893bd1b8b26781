"""What is typed behind `:` about paper trading, and what the status says of it."""

from __future__ import annotations

import attrs
import pytest

from console.tui.accounts.acts import targets
from console.tui.actions import key_row
from console.tui.commands import DESK_ACTS, Command, complete, parse_command
from console.tui.engine_link import Request
from console.tui.paperwords import paper_cells, paper_problems
from console.tui.snapshot import Health, Snapshot
from console.tui.status import EngineStatus, PaperState, parse_status
from console.tui.statusline import status_rows
from console.tui.text import UNICODE
from core.errors import UsageError
from tests.unit.console.tui.accounts.test_rows import desk
from tests.unit.console.tui.test_rows import text_of

KEYS = [("BTCUSD", "KRAKEN")]


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("pause sma", Command("pause", "sma")),
        ("pause", Command("pause")),
        ("RESUME Mine", Command("resume", "Mine")),
        ("flatten all", Command("flatten", "all")),
        ("kill", Command("kill")),
    ],
)
def test_acts_are_commands(typed: str, command: Command) -> None:
    """Each takes one name, which keeps its case; `kill` takes none, and a bare `pause` is that of the tape."""
    assert parse_command(typed, KEYS) == command


@pytest.mark.parametrize("typed", ["halt", "flatten", "release a b", "kill main", "resume"])
def test_an_act_without_its_name_is_refused(typed: str) -> None:
    """What it is about is never guessed."""
    with pytest.raises(UsageError):
        parse_command(typed, KEYS)


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("fla", "flatten"), ("flatten br", "flatten breakout"), ("flatten fu", "flatten futures"),
        ("halt s", "halt s"), ("halt m", "halt main"), ("pause al", "pause all"), ("kill d", "kill d"),
        ("pause sma m", "pause sma m"), ("rel", "release"),
    ],
)  # fmt: skip
def test_labels_and_accounts_are_completed(typed: str, completed: str) -> None:
    """Each act completes what it can be about, and nothing else."""
    known = desk()
    assert complete(typed, KEYS, (), lambda act: targets(known, act)) == completed
    assert complete("flatten br", KEYS) == "flatten br"


def test_what_an_act_can_be_about() -> None:
    """Strategies, accounts or all; halting is about accounts alone, killing about everything."""
    found = {act: targets(desk(), act) for act in DESK_ACTS}
    assert found["flatten"] == ["sma", "breakout", "mine", "main", "futures", "all"]
    assert found["halt"] == found["release"] == ["main", "futures", "all"]
    assert found["kill"] == []


def test_a_request_is_told_without_its_confirmation() -> None:
    """What was typed to confirm it is of no interest afterwards."""
    assert str(Request("halt", (("target", "main"), ("confirm", "main")))) == "halt main"


def test_the_keys_of_the_screen_are_on_its_key_line() -> None:
    """At 160 cells all of them, at 80 those that matter most; on other screens none."""
    wide = text_of(key_row(current=2, message="", width=160))
    for part in ("tab list", "p pause", "r resume", "H halt", "R release", "n details", "/ filter"):
        assert part in wide, part
    narrow = text_of(key_row(current=2, message="", width=80))
    assert "tab list" in narrow
    assert "H halt" not in text_of(key_row(current=1, message="", width=160))


def test_the_status_tells_of_paper_trading() -> None:
    """How many strategies trade, and what is wrong, with signs; nothing where nobody trades on paper."""
    raw = {"enabled": True, "state": "trading", "strategies": 3, "stopped": 2, "halted": ["main\x1b", 4]}
    status = parse_status({"paper": raw})
    assert status.paper == PaperState(state="trading", strategies=3, stopped=2, halted=("main?",))
    assert text_of(tuple(paper_cells(status, UNICODE))) == "  paper 3 ⚠ 2 stopped ⚠ 1 halted"
    assert paper_problems(status) == [
        "paper trading: account main? is halted",
        "paper trading: 2 strategies were stopped; screen 2 says why",
    ]
    for odd in ({}, {"paper": None}, {"paper": {"enabled": False, "state": "off"}}, {"paper": "yes"}):
        assert parse_status(odd).paper is None
    assert not paper_cells(EngineStatus(), UNICODE)
    assert not paper_problems(EngineStatus())
    failed = attrs.evolve(status, paper=PaperState(state="failed"))
    assert text_of(tuple(paper_cells(failed, UNICODE))) == "  ⚠ paper failed"
    assert paper_problems(failed) == ["paper trading has failed: the log says why"]


def test_trouble_is_counted_together_where_there_is_no_room() -> None:
    """A narrow status line keeps the number of problems, which stands behind paper trading."""
    paper = PaperState(state="trading", strategies=9, stopped=1, halted=("a", "b"))
    status = EngineStatus(paper=paper, store_kind="embedded", store_lag_s=0.1, publish_p50_ns=10**5, delays=1)
    snapshot = Snapshot(now_ns=0, status=status, health=Health(reachable=True, problems=("one", "two", "three")))
    wide, narrow = (text_of(status_rows(snapshot, width=width, height=2, glyphs=UNICODE)[1]) for width in (120, 72))
    assert "paper 9 ⚠ 1 stopped ⚠ 2 halted  ⚠ 3 problems" in wide
    assert "paper 9 ⚠ 3  ⚠ 3 problems" in narrow
