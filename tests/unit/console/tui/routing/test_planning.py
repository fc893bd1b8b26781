"""What the Routing screen has run: a plan of what has rested, its price, a fetch for exactly what was seen."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from console.tui.routing.planning import REST_NS, Arguments, Planning
from tests.unit.console.tui.routing import documents

DEADLINE_S = 30.0
FORM: Arguments = ("fetch", "--symbols", "ESH5", "--start=-30d", "--end", "2026-11-22", "--simulated")


def planning(tmp_path: Path, *, price: str = "1.25", run: str = "") -> Planning:
    """Its command answers with documents of the test's, or does what `run` says for a fetch, and notes what it was
    asked."""
    unpriced, priced, ended = (
        json.dumps(one) for one in (documents.plan(), documents.plan(price=price), documents.outcome())
    )
    script = tmp_path / "command.py"
    script.write_text(
        "import sys, threading\n"
        f"open({os.fspath(tmp_path / 'log')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n"
        f"if '--price' in sys.argv: print({priced!r})\n"
        f"elif '--dry-run' in sys.argv: print({unpriced!r})\n"
        f"else:\n    {run or f'print({ended!r})'}\n",
        encoding="utf-8",
    )
    return Planning(command=(sys.executable, os.fspath(script)))


def asked(tmp_path: Path) -> list[str]:
    """What the command was asked, in order."""
    return (tmp_path / "log").read_text(encoding="utf-8").splitlines()


def until(one: Planning, found: Callable[[], bool], wanted: Arguments | None = FORM) -> list[str]:
    """Tick until a condition holds; what was said meanwhile."""
    until_s, said = time.monotonic() + DEADLINE_S, []
    while not found():
        assert time.monotonic() < until_s, "it never came to that"
        if text := one.tick(wanted, time.monotonic_ns()):
            said.append(text)
        time.sleep(0.01)
    return said


def priced(one: Planning) -> None:
    """Plan, and ask for the price."""
    until(one, lambda: one.shown is not None)
    assert one.price() == ""
    until(one, lambda: one.shown is not None and one.shown.plan.priced)


def test_only_what_has_rested_is_planned(tmp_path: Path) -> None:
    """While somebody types nothing is run; then one plan is, of what stands there in the end."""
    one = planning(tmp_path)
    for number in range(5):
        one.tick((*FORM, str(number)), number * REST_NS // 2)
        assert one.planning is None
    one.tick(FORM, 10 * REST_NS)
    one.tick(FORM, 11 * REST_NS)
    until(one, lambda: one.shown is not None)
    assert asked(tmp_path) == [" ".join((*FORM, "--dry-run", "--verbose", "--json"))]
    assert not one.is_stale


def test_what_makes_no_sense_is_not_planned(tmp_path: Path) -> None:
    """A form without a plan leaves the last one, which is told to be of another form, and cannot be fetched."""
    one = planning(tmp_path)
    priced(one)
    one.tick(None, time.monotonic_ns())
    assert one.is_stale
    assert "no plan yet" in one.ask(free=False).why
    assert "no plan yet" in one.price()
    assert len(asked(tmp_path)) == 2


def test_a_fetch_is_for_what_was_seen(tmp_path: Path) -> None:
    """Its range is the one whose price was shown, and it may cost no more; then what is left is planned anew."""
    one = planning(tmp_path)
    until(one, lambda: one.shown is not None)
    assert "p asks for the price first" in one.ask(free=False).why
    priced(one)
    ask = one.ask(free=False)
    assert (ask.name, ask.title) == ("ESH5", "fetches 18 days of ESH5, which costs $1.25")
    one.begin_fetch(ask)
    said = until(one, lambda: one.fetch is not None and one.fetch.state == "done" and not one.is_untold)
    assert said == ["the fetch has ended"]
    assert asked(tmp_path)[2] == (
        "fetch --symbols ESH5 --simulated --start=2026-10-23T00:00:00Z --end=2026-11-22T00:00:00Z "
        "--max-cost=1.25 --yes --progress json --json"
    )
    until(one, lambda: len(asked(tmp_path)) == 4)
    assert asked(tmp_path)[3].endswith("--dry-run --verbose --json")
    assert one.fetch is not None
    assert one.fetch.answer is not None
    assert one.fetch.answer.paid_usd == Decimal("1.25")


def test_what_costs_nothing_needs_no_name(tmp_path: Path) -> None:
    """Free history is fetched for at most nothing; so is what was paid for already."""
    one = planning(tmp_path, price="0.00")
    until(one, lambda: one.shown is not None)
    ask = one.ask(free=True)
    assert (ask.why, ask.name) == ("", "")
    assert "--max-cost=0" in ask.arguments
    priced(one)
    assert one.ask(free=False).name == ""


@pytest.mark.parametrize("price", ["100", "48.76"])
def test_what_is_beyond_the_budget_is_not_asked_for(tmp_path: Path, price: str) -> None:
    """The command would refuse it: the screen says so before anything is typed."""
    one = planning(tmp_path, price=price)
    priced(one)
    assert "budget" in one.ask(free=False).why


def test_a_fetch_is_cancelled(tmp_path: Path) -> None:
    """Meanwhile neither a second one nor a price is asked for; what came of it is said once."""
    one = planning(tmp_path, run="threading.Event().wait()")
    priced(one)
    one.begin_fetch(one.ask(free=False))
    assert "x cancels" in one.price()
    assert "x cancels" in one.ask(free=False).why
    one.tick(("fetch", "--symbols", "CLZ6"), time.monotonic_ns())
    assert one.fetch is not None
    until(one, lambda: len(asked(tmp_path)) == 3)
    assert one.cancel()
    assert until(one, lambda: not one.is_untold) == ["cancelled: what has come until then is stored"]
    assert not one.cancel()


def test_nonsense_is_only_told(tmp_path: Path) -> None:
    """A fetch that prints something else has failed, with a sentence."""
    one = planning(tmp_path, run="print('{\"kind\": 7}')")
    priced(one)
    one.begin_fetch(one.ask(free=False))
    (said,) = until(one, lambda: not one.is_untold)
    assert "the fetch has failed: its answer cannot be read" in said
    one.stop()
