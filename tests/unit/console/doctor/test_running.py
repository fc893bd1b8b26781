"""Checks run at once, in order, each for so long; what one raises is a finding."""

from __future__ import annotations

import threading

from console.doctor.finding import Fault, Finding, Notes, State
from console.doctor.place import Place, find_place
from console.doctor.running import Check, run_checks
from console.doctor.showing import exit_code, lines, summary
from core.errors import ConfigurationError, TransientError


def well(name: str) -> Check:
    """A check that finds nothing."""
    return Check(name=name, title="", look=lambda _place: Finding(check=name, state=State.OK, found="fine"))


def raising(name: str, error: Exception, *, fault: Fault = Fault.MACHINE) -> Check:
    """A check that fails."""

    def look(_place: Place) -> Finding:
        raise error

    return Check(name=name, title="", look=look, fault=fault)


def test_one_that_hangs_holds_up_no_other() -> None:
    """The others are found, in order, and the one that hangs is an error of its own."""
    let_go = threading.Event()

    def hang(_place: Place) -> Finding:
        let_go.wait(30)
        raise AssertionError

    checks = [well("a"), Check(name="b", title="", look=hang, limit_s=0.2, fault=Fault.SERVER), well("c")]
    counted: list[int] = []
    found = run_checks(checks, find_place(), finished=counted.append)
    let_go.set()
    assert [(one.check, one.state) for one in found] == [("a", State.OK), ("b", State.ERROR), ("c", State.OK)]
    assert "0.2 s" in found[1].found
    assert found[1].fault is Fault.SERVER
    assert counted[-1] == 3


def test_whatever_is_raised_is_a_finding() -> None:
    """An error in words, of the system or of the program costs its own check alone."""
    found = run_checks(
        [
            raising("a", TransientError("asking", "it", hint="wait"), fault=Fault.SERVER),
            raising("b", ConfigurationError("reading", "the URL"), fault=Fault.SERVER),
            raising("c", PermissionError(13, "Permission denied", "/x")),
            raising("d", KeyError("x")),
        ],
        find_place(),
    )
    assert [one.state for one in found] == [State.ERROR] * 4
    assert [one.fault for one in found] == [Fault.SERVER, Fault.MACHINE, Fault.MACHINE, Fault.MACHINE]
    assert (found[0].found, found[0].advice) == ("asking: it", "wait")
    assert found[2].found == "Permission denied: /x"
    assert "KeyError" in found[3].found


def test_exit_codes_say_whose_it_is() -> None:
    """Warnings are none; the machine's errors count before keys, and these before servers."""

    def of(*faults: Fault) -> int:
        return exit_code([Finding(check="x", state=State.ERROR, found="", fault=fault) for fault in faults])

    assert exit_code([Finding(check="x", state=State.WARNING, found="")]) == 0
    assert of(Fault.SERVER) == 7
    assert of(Fault.SERVER, Fault.KEY) == 6
    assert of(Fault.SERVER, Fault.KEY, Fault.MACHINE) == 3


def test_the_worst_is_told_first_and_what_is_well_not_at_all() -> None:
    """A finding of several notes is as bad as its worst."""
    notes = Notes("x")
    notes.ok("fine")
    notes.add(State.NOTE, "odd", "look")
    notes.add(State.ERROR, "bad", "mend", fault=Fault.KEY)
    found = notes.finding()
    assert (found.state, found.found, found.advice, found.fault) == (State.ERROR, "bad; odd", "mend; look", Fault.KEY)
    assert Notes("y").finding().state is State.OK


def test_lines_fit_and_nothing_moves_the_cursor() -> None:
    """In 80 columns no line is longer, with and without letters beyond ASCII; control characters are gone."""
    findings = [
        Finding(check="terminal", state=State.OK, found="fine"),
        Finding(check="database", state=State.ERROR, found="words " * 40 + "\x1b[2J", advice="do " * 60),
    ]
    for ascii_only in (True, False):
        shown = lines(findings, width=80, coloured=False, ascii_only=ascii_only)
        assert max(map(len, shown)) <= 80
        assert "\x1b" not in "".join(shown)
        assert "".join(shown).isascii() or not ascii_only
    assert "\x1b[31m" in lines(findings, width=80, coloured=True, ascii_only=False)[1]
    assert summary(findings) == "2 checks: 1 error"
    assert summary(findings[:1]) == "1 check: all is well"
