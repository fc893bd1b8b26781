"""What a check of the machine found: plain values, made by checks and shown or printed by others."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Final

import attrs


class State(enum.StrEnum):
    """How bad it is, from nothing to something that stops work."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


_ORDER: Final = tuple(State)


class Fault(enum.StrEnum):
    """Whose an error is, which decides the exit code."""

    MACHINE = "machine"
    """This machine, its directories or the settings."""
    KEY = "key"
    """A key is missing or cannot be one."""
    SERVER = "server"
    """A server elsewhere does not answer."""


@attrs.frozen(kw_only=True)
class Finding:
    """What one check found, in words, and what to do about it: `advice` is empty where nothing is to be done."""

    check: str
    state: State
    found: str
    advice: str = ""
    fault: Fault = Fault.MACHINE


@attrs.define
class Notes:
    """Gathers what a check sees on its way, and makes one finding of it."""

    check: str
    _seen: list[tuple[State, str, str, Fault]] = attrs.field(factory=list, init=False)

    def add(self, state: State, found: str, advice: str = "", *, fault: Fault = Fault.MACHINE) -> None:
        """Note one thing that was seen."""
        self._seen.append((state, found, advice, fault))

    def ok(self, found: str) -> None:
        """Note that something is as it should be."""
        self.add(State.OK, found)

    def finding(self) -> Finding:
        """All of it: as bad as the worst, which is told first; what is well is told where nothing is not."""
        worst = max((seen[0] for seen in self._seen), key=_ORDER.index, default=State.OK)
        ordered = sorted(self._seen, key=lambda seen: -_ORDER.index(seen[0]))
        told = [seen for seen in ordered if seen[0] is not State.OK] or ordered
        fault = next((seen[3] for seen in ordered if seen[0] is worst), Fault.MACHINE)
        return Finding(
            check=self.check,
            state=worst,
            found="; ".join(_distinct(seen[1] for seen in told)),
            advice="; ".join(_distinct(seen[2] for seen in told)),
            fault=fault,
        )


def _distinct(texts: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(text for text in texts if text))
