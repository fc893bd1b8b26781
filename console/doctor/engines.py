"""Checks of what Ringside keeps and runs: engines, the store, the calendars that come with it."""

from __future__ import annotations

from typing import Final

from console.doctor.asked import StatusOf, ask_engines
from console.doctor.finding import Finding, Notes, State
from console.doctor.place import Place, short_bytes
from console.stores import catalogue_path, spill_directory, ticks_directory
from core.clock import DAY_NS, utc_day, wall_ns

SOON_DAYS: Final = 60
_CALENDARS: Final = {"US equities": "XNAS", "CME": "GLBX", "ICE": "IFEU", "Eurex": "XEUR"}
_NAMED: Final = 3


def engines(place: Place) -> Finding:
    """Which engines run, and what they say is wrong with them."""
    notes, found = Notes("engines"), ask_engines(place)
    for engine in found:
        if not engine.status:
            notes.add(
                State.ERROR,
                f"{engine.name} (process {engine.service.pid}) does not answer: {engine.reason}",
                "see its log; end it if it hangs, what it stored is safe",
            )
            continue
        if engine.service.health == "stale":
            notes.add(State.WARNING, f"{engine.name} has not beaten for {engine.service.heartbeat_age_s:.0f} s",
                      "see whether the machine is overloaded or it was stopped (SIGSTOP)")  # fmt: skip
        problems = problems_of(engine)
        if problems:
            more = f" and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
            notes.add(
                State.WARNING,
                f"{engine.name}: {'; '.join(problems[:_NAMED])}{more}",
                f"ringside attach {engine.name} shows them; incident {engine.name} saves them",
            )
        notes.ok(f"{engine.name} {str(engine.status.get('state', ''))[:20]}")
    if not found:
        notes.ok("none is running")
    return notes.finding()


def problems_of(engine: StatusOf) -> list[str]:
    """What an engine's own status says is wrong, in words."""
    problems = [
        f"{_text(row, 'venue')} is {_text(row, 'status')} {_text(row, 'reason')}".rstrip()
        for row in engine.rows("connections")
        if row.get("status") != "connected" and row.get("reason") != "end of recording"
    ]
    problems += [
        f"{_text(row, 'symbol')} {_text(row, 'venue')}: {_text(row, 'problem') or _text(row, 'health_reason')}"
        for row in engine.rows("feeds")
        if row.get("problem") or row.get("health") in {"stale", "broken"}
    ]
    for part in ("store", "cache", "paper"):
        state = engine.status.get(part)
        if isinstance(state, dict) and (state.get("problem") or state.get("reason")):
            problems.append(f"{part}: {_text(state, 'problem') or _text(state, 'reason')}")
    lost = engine.status.get("lost")
    if isinstance(lost, int) and lost:
        problems.append(f"{lost} trades lost")
    return problems


def _text(row: dict[str, object], name: str) -> str:
    return str(row.get(name, ""))[:120]


def store(place: Place) -> Finding:
    """Who writes the store, whether its catalogue can be read, and what waits for the database."""
    from core.store.catalogue import Catalogue
    from core.store.lock import is_locked, writer_of

    notes = Notes("store")
    ticks, catalogue = ticks_directory(place.paths.data), catalogue_path(place.paths.state)
    if not catalogue.exists():
        notes.ok("nothing is stored here yet")
    else:
        opened = Catalogue(catalogue, read_only=True)  # a damaged one is refused, in words
        try:
            series, rejected = len(opened.cursors()), sum(kept.rows for kept in opened.quarantined())
            gaps = len(opened.gaps())
        finally:
            opened.close()
        notes.ok(f"{series} series, {gaps} gaps known, {rejected} records in quarantine")
    if is_locked(ticks):
        notes.ok(f"process {writer_of(ticks)} writes it")
    waiting = list(spill_directory(place.paths.data).rglob("*.dbn"))
    size = sum(path.stat().st_size for path in waiting if path.exists())
    if size:
        notes.add(
            State.NOTE,
            f"{short_bytes(size)} wait on this machine for the database",
            "an engine that stores there carries them over",
        )
    return notes.finding()


def calendars(_place: Place) -> Finding:
    """How long the trading hours that come with the program are known."""
    from core.model.sessions import calendar_of

    notes, now_ns = Notes("calendars"), wall_ns()
    for name, place in _CALENDARS.items():
        expires_ns = calendar_of(place).expires_ns or now_ns
        until = f"{name} until {utc_day(expires_ns)}"
        if expires_ns <= now_ns:
            notes.add(
                State.WARNING, f"not known any more: {until}",
                "install a newer Ringside: closed hours are taken for holes in the data",
            )  # fmt: skip
        elif expires_ns - now_ns < SOON_DAYS * DAY_NS:
            notes.add(State.NOTE, f"ends soon: {until}", "install a newer Ringside before")
        else:
            notes.ok(until)
    return notes.finding()
