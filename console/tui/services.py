"""The engines of this user as the service registry has them, as frozen values that are safe to draw."""

from __future__ import annotations

from pathlib import Path

import attrs

from console.tui.text import clean
from ringbuf import discovery
from ringbuf.discovery import ServiceState
from ringbuf.layout import RingError


@attrs.frozen(kw_only=True)
class Service:
    """One announced engine; `health` is "alive", "stale" or "dead", `here` whether this console is attached to it.

    `complete` is false when it serves more symbols than it could announce. `age_s` is that of its last heartbeat.
    """

    name: str
    health: str
    pid: int
    started_ns: int
    age_s: float
    providers: tuple[str, ...] = ()
    venues: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    complete: bool = True
    here: bool = False


@attrs.frozen(kw_only=True)
class Services:
    """What one look at the registry brought; `problem` says why nothing could be read, `looked` whether anybody has
    looked yet."""

    looked: bool = False
    found: tuple[Service, ...] = ()
    problem: str = ""


def read_services(control_path: Path) -> Services:
    """Every announced engine by name; the one whose control socket is at `control_path` is the one we are on."""
    try:
        states = discovery.instances()
    except (RingError, OSError) as error:
        return Services(looked=True, problem=clean(str(error)))
    return Services(looked=True, found=tuple(_service(state, control_path) for state in states))


def _service(state: ServiceState, control_path: Path) -> Service:
    symbols = dict.fromkeys(name for names in state.symbols.values() for name in names)
    return Service(
        name=clean(state.instance),
        health=state.health,
        pid=state.pid,
        started_ns=state.started_ns,
        age_s=state.heartbeat_age_s,
        providers=tuple(clean(name) for name in state.providers),
        venues=tuple(clean(name) for name in state.venues),
        symbols=tuple(clean(name) for name in symbols),
        complete=state.symbols_complete,
        here=Path(state.control) == control_path,
    )
