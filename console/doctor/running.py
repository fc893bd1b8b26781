"""Runs the checks, all at once, each for so long and no longer: one that hangs is a finding and holds up no other."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from console.doctor.finding import Fault, Finding, State
from console.doctor.place import Place
from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConsoleError

LOOK_S: Final = 10.0
"""So long a check of this machine may take, what it must load included."""
SERVER_S: Final = 5.0
"""So long a server may take to answer."""


@attrs.frozen(kw_only=True)
class Check:
    """One check by its name; `title` says what it looks at. `look` may block, and is given up after `limit_s`."""

    name: str
    title: str
    look: Callable[[Place], Finding]
    limit_s: float = LOOK_S
    fault: Fault = Fault.MACHINE
    only_on_request: bool = False


def run_checks(
    checks: Sequence[Check], place: Place, *, finished: Callable[[int], None] = lambda _count: None
) -> list[Finding]:
    """What each of `checks` found, in their order. `finished` hears how many are done whenever one is."""
    done: queue.SimpleQueue[tuple[int, Finding]] = queue.SimpleQueue()
    found: dict[int, Finding] = {}
    began_ns = monotonic_ns()
    for number, check in enumerate(checks):
        # Daemons: nobody waits at the end for one that still hangs in a server or a disk.
        threading.Thread(target=_look, args=(number, check, place, done), name=check.name, daemon=True).start()
    while waiting := [check for number, check in enumerate(checks) if number not in found]:
        elapsed_s = (monotonic_ns() - began_ns) / NS_PER_S
        left_s = min(check.limit_s for check in waiting) - elapsed_s
        try:
            number, finding = done.get(timeout=max(left_s, 0.001))
            found.setdefault(number, finding)
        except queue.Empty:
            for number, check in enumerate(checks):
                if number not in found and check.limit_s <= elapsed_s + 0.001:
                    found[number] = _overdue(check)
        finished(len(found))
    return [found[number] for number in range(len(checks))]


def _look(number: int, check: Check, place: Place, done: queue.SimpleQueue[tuple[int, Finding]]) -> None:
    try:
        finding = check.look(place)
    except ConsoleError as error:
        # What is set wrongly is this machine's fault, whoever noticed it.
        fault = check.fault if error.retryable else Fault.MACHINE
        finding = _failed(check, f"{error.operation}: {error.subject}", error.hint, fault=fault)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        finding = _failed(check, f"{error.strerror or error}{where}", "look at what is there")
    except Exception as error:  # noqa: BLE001 - one check on a strange machine must not cost all the others
        finding = _failed(check, f"{type(error).__name__}: {error}", "this is an error of Ringside: report it")
    done.put((number, finding))


def _failed(check: Check, why: str, advice: str, *, fault: Fault = Fault.MACHINE) -> Finding:
    return Finding(check=check.name, state=State.ERROR, found=why, advice=advice, fault=fault)


def _overdue(check: Check) -> Finding:
    return Finding(
        check=check.name,
        state=State.ERROR,
        found=f"no answer within {check.limit_s:g} s",
        advice="whatever it looks at hangs: see whether the server, disk or engine behind it does",
        fault=check.fault,
    )
