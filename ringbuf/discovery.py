"""Which instances run, what they serve and where their rings are: to be announced by them and asked by anybody.

`ringbuf.registry` has the bytes.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringbuf import layout, registry
from ringbuf.layout import RingError
from ringbuf.registry import Entry

STALE_S: Final = 30.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ServiceState:
    """One announced instance as it is now.

    `symbols` lists what it serves by venue; when they did not all fit `symbols_complete` is false and the control
    channel at `control` has the rest. `health` is "alive", "stale" (its process is there but did not beat for 30 s)
    or "dead" (its process is gone). The names of its public rings begin with `prefix`.
    """

    instance: str
    providers: tuple[str, ...]
    symbols: Mapping[str, tuple[str, ...]]
    symbols_complete: bool
    prefix: str
    control: str
    pid: int
    started_ns: int
    heartbeat_ns: int
    heartbeat_age_s: float
    health: str

    @property
    def alive(self) -> bool:
        """Whether it runs and beats."""
        return self.health == "alive"

    @property
    def venues(self) -> tuple[str, ...]:
        """The venues it serves."""
        return tuple(self.symbols)

    def serves(self, symbol: str, *, venue: str) -> bool:
        """Whether it says so, or might do so because its list is cut."""
        return symbol in self.symbols.get(venue, ()) or (venue in self.symbols and not self.symbols_complete)


class Announcement:
    """Keeps one instance in the registry from now until `close` or the end of the process.

    Call `beat` every few seconds. `symbols` are the canonical symbols by venue, `prefix` what the names of its public
    rings begin with, `control` the path of its control socket. What dead instances left is cleared on the way.

    Raises:
        RingBusyError: a living instance of that name is announced.
        RingError: the registry is full, of another version in use, or cannot be used.
    """

    def __init__(
        self,
        instance: str,
        *,
        providers: Sequence[str],
        symbols: Mapping[str, Sequence[str]],
        prefix: str = "",
        control: str = "",
    ) -> None:
        layout.check_instance(instance)
        self.instance = instance
        self._providers = list(providers)
        self._symbols = {venue: list(names) for venue, names in symbols.items()}
        self._prefix = prefix or layout.ring_prefix()
        self._control = control
        self._started_ns = time.time_ns()
        self._start = layout.process_start(os.getpid())
        self._text = self._encode()
        self._fd, self._offset = registry.take_slot(instance, self._slot(self._started_ns))

    def beat(self, now_ns: int) -> None:
        """Say that the instance is alive at this wall-clock instant. A registry that was removed is made again."""
        slot = self._slot(now_ns)
        if layout.same_file(self._fd, registry.path()):
            registry.write(self._fd, self._offset, slot)
            return
        removed = self._fd
        self._fd, self._offset = registry.take_slot(self.instance, slot)
        os.close(removed)

    def _slot(self, now_ns: int) -> bytes:
        return registry.pack(
            self._text,
            pid=os.getpid(),
            start=self._start,
            started_ns=self._started_ns,
            heartbeat_ns=now_ns,
            monotonic_ns=time.monotonic_ns(),
        )

    def update(self, *, symbols: Mapping[str, Sequence[str]], providers: Sequence[str] | None = None) -> None:
        """Replace what the instance says it serves."""
        self._symbols = {venue: list(names) for venue, names in symbols.items()}
        if providers is not None:
            self._providers = list(providers)
        self._text = self._encode()
        self.beat(time.time_ns())

    def _encode(self) -> bytes:
        # Symbols are dropped from the end until the rest fits the slot.
        pairs = [(venue, name) for venue, names in self._symbols.items() for name in names]
        text = self._with(pairs, complete=True)
        low, high = 0, len(pairs)
        if len(text) <= registry.MAX_TEXT_BYTES:
            return text
        while low < high:
            middle = (low + high + 1) // 2
            if len(self._with(pairs[:middle], complete=False)) <= registry.MAX_TEXT_BYTES:
                low = middle
            else:
                high = middle - 1
        text = self._with(pairs[:low], complete=False)
        if len(text) > registry.MAX_TEXT_BYTES:
            raise RingError(f"instance {self.instance} has too many venues or providers for the registry")
        return text

    def _with(self, pairs: list[tuple[str, str]], *, complete: bool) -> bytes:
        symbols: dict[str, list[str]] = {venue: [] for venue in self._symbols}
        for venue, name in pairs:
            symbols[venue].append(name)
        content = {
            "instance": self.instance,
            "providers": self._providers,
            "symbols": symbols,
            "complete": complete,
            "prefix": self._prefix,
            "control": self._control,
            "boot": registry.boot_id(),
        }
        return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()

    def close(self) -> None:
        """Leave the registry. May be called twice."""
        if self._fd < 0:
            return
        registry.clear(self._fd, self._offset)
        os.close(self._fd)
        self._fd = -1


def instances(*, monotonic_ns: int | None = None) -> list[ServiceState]:
    """Every announced instance by name, dead ones included until another one is announced.

    Ages are measured on the monotonic clock, so that setting the wall clock makes nobody look dead; `monotonic_ns` is
    the instant to measure from, now when not given. What cannot be read is left out.

    Raises:
        RingError: the registry is of another version, damaged, or cannot be opened.
    """
    now_ns = time.monotonic_ns() if monotonic_ns is None else monotonic_ns
    found = [_state(entry, held=held, now_ns=now_ns) for entry, held in registry.entries()]
    return sorted(found, key=lambda state: state.instance)


def _state(entry: Entry, *, held: bool, now_ns: int) -> ServiceState:
    content = entry.content
    # The monotonic instants of another boot mean nothing.
    same_boot = content["boot"] == registry.boot_id()
    age_ns = now_ns - entry.monotonic_ns if same_boot else time.time_ns() - entry.heartbeat_ns
    stale = age_ns > STALE_S * 1e9
    return ServiceState(
        instance=content["instance"],
        providers=tuple(content["providers"]),
        symbols={venue: tuple(names) for venue, names in content["symbols"].items()},
        symbols_complete=content["complete"],
        prefix=content["prefix"],
        control=content["control"],
        pid=entry.pid,
        started_ns=entry.started_ns,
        heartbeat_ns=entry.heartbeat_ns,
        heartbeat_age_s=max(age_ns, 0) / 1e9,
        health="dead" if entry.abandoned(held=held) else "stale" if stale else "alive",
    )


def find(symbol: str, venue: str = "") -> ServiceState:
    """The living instance that serves a canonical symbol, of one venue when it is given.

    Raises:
        RingError: none does, or several do; the text names them.
    """
    served = _serving(symbol, venue, "")
    if len({state.instance for state, _ in served}) > 1:
        raise RingError(f"{_shown(symbol)} is served by several instances: {_names(served)}; name one, or its venue")
    return served[0][0]


def ring_path(symbol: str, venue: str = "", *, schema: str = "trades", instance: str = "") -> Path:
    """The ring of a canonical symbol, found through the registry.

    Raises:
        RingError: nobody serves it, several do (the text names them), or the one that does has no such ring yet.
    """
    served = _serving(symbol, venue, instance)
    if len(served) > 1:
        raise RingError(
            f"{_shown(symbol)} is served more than once: {_names(served)}; name the instance and the venue"
        )
    state, at_venue = served[0]
    plain = layout.ring_name(symbol, at_venue, schema=schema).removeprefix(layout.ring_prefix())
    for prefix in (state.prefix, layout.ring_prefix(state.instance)):
        candidate = layout.directory() / f"{prefix}{plain}"
        if _belongs_to(candidate, state.instance):
            return candidate
    raise RingError(f"{state.instance} has no {schema} ring of {_shown(symbol)} at {at_venue} yet")


def is_served(symbol: str, venue: str = "", *, instance: str = "") -> bool:
    """Whether any running instance has public rings of a canonical symbol."""
    try:
        return bool(_serving(symbol, venue, instance))
    except RingError:
        return False


def _serving(symbol: str, venue: str, instance: str) -> list[tuple[ServiceState, str]]:
    living = [state for state in instances() if state.alive and instance in ("", state.instance)]
    pairs = [(state, at) for state in living for at in state.venues if venue in ("", at)]
    certain = [(state, at) for state, at in pairs if symbol in state.symbols[at]]
    served = certain or [(state, at) for state, at in pairs if state.serves(symbol, venue=at)]
    if not served:
        running = ", ".join(state.instance for state in living) or "none"
        place = f" at {_shown(venue)}" if venue else ""
        raise RingError(f"no running instance serves {_shown(symbol)}{place}; running: {running}")
    return served


def _names(served: Sequence[tuple[ServiceState, str]]) -> str:
    return ", ".join(f"{state.instance} ({venue})" for state, venue in served)


def _shown(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:60]


def _belongs_to(ring: Path, instance: str) -> bool:
    try:
        fd = layout.open_file(ring)
    except RingError:
        return False
    try:
        head = os.pread(fd, layout.HEADER_BYTES, 0)
        layout.check_head(head, os.fstat(fd).st_size, ring)
    except RingError:
        return False
    finally:
        os.close(fd)
    return layout.text(layout.HEAD.unpack_from(head)[10]) == instance
