"""Commands that the screen runs beside itself: one sentence comes of each, whatever it prints and however it ends."""

from __future__ import annotations

import sys

import pytest

from console.tui.saving import diagnosed, outcome, saved

BUNDLE = '{"path": "/x/a.zip", "bytes": 2048, "files": 3, "missing": 1}'


def printing(text: str) -> list[str]:
    """A command that prints this."""
    return [sys.executable, "-c", f"print({text!r})"]


def test_a_bundle_is_told_with_its_place() -> None:
    """Where it is, how large, and that something is missing."""
    assert outcome(printing(BUNDLE), saved) == "/x/a.zip: the incident (2.0 kB, 3 files, 1 not to be had)"


def test_a_refusal_is_told_with_its_hint() -> None:
    """What the command says is wrong comes through."""
    refused = '{"error": {"message": "writing the bundle: /x: no space", "hint": "make room"}}'
    assert outcome(printing(refused), saved) == "not done: writing the bundle: /x: no space make room"


@pytest.mark.parametrize("printed", ["", "no JSON", "[1]", "{}", '{"path": 1}', '{"error": 3}'])
def test_whatever_is_printed_is_survived(printed: str) -> None:
    """What cannot be read is said; the thread that runs it lives on."""
    assert outcome(printing(printed), saved).startswith("not done: ")


def test_a_program_that_is_not_there() -> None:
    """What cannot be started is said."""
    assert outcome(["/no/such/program"], saved).startswith("not done: No such file")


def test_the_doctor_in_a_sentence() -> None:
    """The worst comes first; where all is well nothing else is said."""
    rows = [
        {"check": "disk", "state": "warning", "found": "little"},
        {"check": "shm", "state": "error", "found": "none"},
        {"check": "clock", "state": "ok", "found": "fine"},
    ]
    told = diagnosed({"summary": "3 checks: 1 error, 1 warning", "rows": rows})
    assert told == "doctor: 3 checks: 1 error, 1 warning: shm: none; disk: little (ringside doctor tells all)"
    assert diagnosed({"summary": "3 checks: all is well", "rows": []}) == "doctor: 3 checks: all is well"
