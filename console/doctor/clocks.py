"""Checks of the clock and the time zone: whether stamps can be compared with those of a venue."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import threading
import time
import zoneinfo
from pathlib import Path
from typing import Final

import attrs

from console.doctor.asked import StatusOf, ask_engines
from console.doctor.finding import Finding, Notes, State
from console.doctor.place import Place
from core.clock import NS_PER_MS, NS_PER_S, monotonic_ns, wall_ns

SAMPLE_S: Final = 0.25
STEP_NS: Final = 5 * NS_PER_MS
LARGE_ERROR_NS: Final = 500 * NS_PER_MS
SKEW_NS: Final = 250 * NS_PER_MS
FAR_NS: Final = 2 * NS_PER_S
EARLIEST_NS: Final = 1_735_689_600 * NS_PER_S  # 2025: no release of this program is older
_UNSYNCHRONISED: Final = 0x0040
_IN_NS: Final = 0x2000
_SYNCHRONISED_FILES: Final = ("/run/systemd/timesync/synchronized",)
_DAEMONS: Final = {
    "chrony": ("/run/chrony/chronyd.pid", "/run/chronyd.pid", "/var/run/chrony/chronyd.pid"),
    "ntpd": ("/run/ntpd.pid", "/var/run/ntpd.pid"),
    "systemd-timesyncd": ("/run/systemd/timesync",),
}


class _Timex(ctypes.Structure):
    # struct timex of Linux on 64 bits; what stands behind `tick` is room.
    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("constant", ctypes.c_long),
        ("precision", ctypes.c_long), ("tolerance", ctypes.c_long), ("seconds", ctypes.c_long),
        ("microseconds", ctypes.c_long), ("tick", ctypes.c_long), ("rest", ctypes.c_byte * 128),
    )  # fmt: skip


@attrs.frozen(kw_only=True)
class KernelClock:
    """What the kernel says of its clock."""

    synchronised: bool
    offset_ns: int
    most_wrong_ns: int


def kernel_clock() -> KernelClock | None:
    """What the kernel says of its clock; None where it does not tell, as in some containers."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
        answer = _Timex(modes=0)  # nothing is set
        if library.adjtimex(ctypes.byref(answer)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    unit_ns = 1 if answer.status & _IN_NS else 1000
    return KernelClock(
        synchronised=not answer.status & _UNSYNCHRONISED,
        offset_ns=answer.offset * unit_ns,
        most_wrong_ns=answer.maxerror * 1000,
    )


def clock(_place: Place) -> Finding:
    """Whether the clock is kept right, and whether somebody sets it just now."""
    notes = Notes("clock")
    _judge_kernel(notes, kernel_clock())
    moved_ns = abs(_moved_ns())
    if moved_ns > STEP_NS:
        notes.add(
            State.WARNING,
            f"it was set by {moved_ns / NS_PER_MS:.1f} ms while it was looked at",
            "see who sets it: stamps of trades jump with it",
        )
    if wall_ns() < EARLIEST_NS:
        notes.add(State.ERROR, "it stands before 2025", "set it: stamps, calendars and certificates depend on it")
    return notes.finding()


def _judge_kernel(notes: Notes, kernel: KernelClock | None) -> None:
    daemon = next((name for name, files in _DAEMONS.items() if any(map(os.path.exists, files))), "")
    kept = any(map(os.path.exists, _SYNCHRONISED_FILES))
    if kernel is not None and kernel.synchronised:
        wrong = f"at most {kernel.most_wrong_ns / NS_PER_MS:.0f} ms wrong"
        if kernel.most_wrong_ns > LARGE_ERROR_NS:
            notes.add(State.WARNING, f"synchronised, but {wrong}", "see whether its time servers can be reached")
        else:
            notes.ok(f"synchronised, {wrong}" + (f", by {daemon}" if daemon else ""))
    elif kept:
        notes.ok("synchronised by systemd-timesyncd")
    elif kernel is None and not daemon:
        notes.add(
            State.NOTE,
            "unknown: the kernel does not tell, as in some containers",
            "see on the host whether its clock is synchronised",
        )
    elif in_container() and not daemon:
        notes.add(
            State.NOTE,
            "the kernel does not call it synchronised; in a container this may mean nothing",
            "see on the host whether chrony or systemd-timesyncd keeps it",
        )
    else:
        running = f"{daemon} runs, but " if daemon else ""
        notes.add(
            State.WARNING,
            f"{running}the kernel does not call it synchronised",
            "start chrony or systemd-timesyncd: delays to venues are measured by it",
        )


def in_container() -> bool:
    """Whether this process seems to live in a container."""
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists() or os.environ.get("container"):  # noqa: SIM112
        return True
    try:
        return any(
            word in Path("/proc/1/cgroup").read_text(encoding="utf-8") for word in ("docker", "kubepods", "lxc")
        )
    except OSError:
        return False


def _moved_ns() -> int:
    # How far the wall clock went in a moment beyond what passed: slewing is some 0.05 %, more is a step.
    before_ns = wall_ns() - monotonic_ns()
    threading.Event().wait(SAMPLE_S)
    return wall_ns() - monotonic_ns() - before_ns


def skew(place: Place) -> Finding:
    """How the clock stands against those of venues, as running engines measure it."""
    notes = Notes("skew")
    live = [engine for engine in ask_engines(place) if engine.status.get("source") == "live"]
    measured = False
    for engine in live:
        ahead, delay_ns = _ahead(engine), _delay_ns(engine)
        measured = measured or bool(ahead) or delay_ns is not None
        for venue, ahead_ns in ahead.items():
            notes.add(
                State.WARNING,
                f"{engine.name}: {venue} stamps {ahead_ns / NS_PER_MS:.0f} ms ahead of this clock",
                "this clock is behind the venue's: synchronise it",
            )
        if delay_ns is not None:
            _judge_delay(notes, engine.name, delay_ns, slow=bool(ahead))
        stamped = sum(_count(row, "skewed") for row in engine.rows("feeds"))
        if stamped:
            notes.add(
                State.WARNING,
                f"{engine.name}: {stamped} trades were stamped by their venue in the future",
                "synchronise this clock; if it is, the venue's is wrong",
            )
    if not measured:
        notes.add(State.NOTE, "not measured: no engine streams from a venue", "run it again beside a live engine")
    return notes.finding()


def _delay_ns(engine: StatusOf) -> int | None:
    latency = engine.status.get("latency")
    if not isinstance(latency, dict) or not _count(latency, "count"):
        return None
    return _count(latency, "venue_p50_ns")


def _ahead(engine: StatusOf) -> dict[str, int]:
    # By venue, how far its stamps are ahead of this clock lately, where that is too far. Delays do not tell: none of
    # them is counted as less than nothing.
    found: dict[str, int] = {}
    for row in engine.rows("connections"):
        venue, ahead_ns = str(row.get("venue", ""))[:40], _count(row, "clock_ahead_ns")
        if ahead_ns > SKEW_NS:
            found[venue] = max(ahead_ns, found.get(venue, 0))
    return found


def _judge_delay(notes: Notes, name: str, delay_ns: int, *, slow: bool) -> None:
    shown = f"{name}: trades arrive {delay_ns / NS_PER_MS:.0f} ms after the venue's stamp (median)"
    if delay_ns > FAR_NS:
        notes.add(State.WARNING, shown, "this clock is ahead, or the line is slow: synchronise it first")
    elif not slow:  # a delay that is measured by a slow clock says nothing
        notes.ok(shown)


def _count(row: dict[str, object], name: str) -> int:
    value = row.get(name)
    return value if type(value) is int else 0


def zone(place: Place) -> Finding:
    """The time zone of this machine, and whether zones can be looked up at all."""
    notes = Notes("timezone")
    offset_s = time.localtime().tm_gmtoff
    named = place.environment.get("TZ") or time.tzname[0]
    if offset_s == 0:
        notes.ok(f"{named[:40]}, the same as UTC now")
    else:
        notes.add(
            State.NOTE,
            f"{named[:40]}, {offset_s / 3600:+g} h from UTC",
            "nothing to do: Ringside shows and stores UTC; other logs on this machine do not",
        )
    try:
        zoneinfo.ZoneInfo("America/New_York")
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError):
        notes.add(State.WARNING, "no time zone data", "install tzdata")
    return notes.finding()
