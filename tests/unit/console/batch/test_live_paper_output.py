"""What `live --paper-trading` prints: whole numbers with their texts beside them, and nothing that is taken twice."""

from __future__ import annotations

import io
import json
import sys

import pytest

from console.batch.live_paper_output import Teller, readable
from console.paper.plan import PaperPlan
from core.sim.lines import EquityLine, HoleLine, LaneLine
from tests.unit.console.paper.test_plan import planned


def plan() -> PaperPlan:
    """Any."""
    return planned("--symbols", "BTCUSD", "--strategy", "sma")


def test_scaled_integers_have_texts_beside_them() -> None:
    """At every depth, and never in place of a field that has the name already."""
    found = readable({"locked": "USD", "locked_e12": 5, "price_e9": 1_500_000_000, "positions": [{"quantity_e8": -1}],
                      "balances_e12": {"USD": 10**30}})  # fmt: skip
    assert found["price"] == "1.5"
    assert (found["locked"], found["locked_e12"]) == ("USD", 5)
    assert found["positions"] == [{"quantity_e8": -1, "quantity": "-0.00000001"}]
    assert found["balances"] == {"USD": "1000000000000000000"}


def test_lines_are_objects_that_say_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a line has a field called event; what an account is worth every few seconds is left out."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    teller = Teller(form="json", plan=plan())
    lane = LaneLine(lane="sma", venue="V", symbol="S", state="stopped", reason="\x1b", ts_ns=1, event=7)
    teller.hear(3, [lane, EquityLine(account="a", ts_ns=1, equity_e12=1)])
    assert isinstance(sys.stdout, io.StringIO)
    (line,) = sys.stdout.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["line"], found["event_number"], found["reason"]) == ("lane", 3, 7, "\x1b")
    assert "\x1b" not in line


def test_people_read_no_control_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a strategy's file or a cause says."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    teller = Teller(form="table", plan=plan())
    teller.hear(1, [HoleLine(venue="V", symbol="S", ts_ns=0, rows=1200, cause="\x1b[2J")])
    assert isinstance(sys.stdout, io.StringIO)
    assert sys.stdout.getvalue() == "--:--:-- S: 1,200 trades were not seen: ?[2J\n"


def test_a_reader_that_left_ends_the_run_in_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step that was told is whole; the run is asked to end, and says why when it has."""

    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Gone())
    teller, asked = Teller(form="json", plan=plan()), list[bool]()
    teller.give_up = lambda: asked.append(True)
    teller.status({})
    teller.status({})
    assert asked == [True]
    with pytest.raises(BrokenPipeError):
        teller.finish()
