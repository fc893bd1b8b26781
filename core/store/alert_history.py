"""What became of alerts, as it stands in `alert_history`: the row, and where rows are kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import attrs

from core.errors import PermanentError
from core.text import one_line

SEVERITIES: Final = frozenset({"info", "warning", "critical"})
STATES: Final = frozenset({"firing", "resolved", "acknowledged", "silenced"})
TEXT_CHARACTERS: Final = 4000
_LAST_NS: Final = 2**63 - 1


@attrs.frozen(kw_only=True)
class AlertRow:
    """One thing that became of an alert: it fired, it ended, or somebody acknowledged or silenced it.

    `number` is given by the catalogue that keeps it, from 1, each once and in the order of writing; 0 before.
    `time_ns` is in ns since the epoch, `instance` the name of the engine, empty in rows that are older than this
    field. `severity` is one of `SEVERITIES`, `state` one of `STATES`; `value` and `threshold` are as they are shown.
    """

    number: int = 0
    time_ns: int
    instance: str
    rule: str
    subject: str
    severity: str = attrs.field(converter=str)
    state: str = attrs.field(converter=str)
    value: str
    threshold: str
    message: str


_TEXTS: Final = tuple(field.name for field in attrs.fields(AlertRow) if field.name not in {"number", "time_ns"})


class AlertHistory(Protocol):
    """Where these rows are kept. Its methods block, may be called from any thread and raise `ConsoleError`."""

    def append(self, rows: Sequence[AlertRow]) -> None:
        """Write down the rows in their order, all of them or none. Texts are kept fit for a terminal."""

    def rows(
        self, limit: int, *, instance: str | None = None, rule: str | None = None, since_ns: int = 0
    ) -> list[AlertRow]:
        """The newest rows by their time, the newest first, at most `limit`; of one instance, of one rule, and not
        before `since_ns`, where that is said."""

    def prune(self, before_ns: int) -> int:
        """Remove the rows that are older than that; how many they were."""

    def close(self) -> None:
        """Let go. May be called twice."""


def is_sound(row: AlertRow) -> bool:
    """Whether the tables take it."""
    known = row.severity in SEVERITIES and row.state in STATES
    time_ns: object = row.time_ns
    timed = isinstance(time_ns, int) and 0 <= time_ns <= _LAST_NS
    return known and timed and all(isinstance(getattr(row, name), str) for name in _TEXTS)


def texts_of(row: AlertRow) -> tuple[str, ...]:
    """Its texts, in their order from `instance` on, as they are kept: without control characters, and not endless.

    One character that a table does not take would keep out every row that is written with it, again and again.
    """
    return tuple(one_line(getattr(row, name), TEXT_CHARACTERS) for name in _TEXTS)


def row_of(values: Sequence[Any]) -> AlertRow:
    """The row of what was read: its number, its time, and its texts in their order.

    Raises:
        PermanentError: another program wrote it, and it makes no sense.
    """
    number, time_ns, *texts = values
    if not isinstance(time_ns, int):
        raise PermanentError("reading the history of alerts", "the time of a row is no number")
    named = {name: one_line(str(text), TEXT_CHARACTERS) for name, text in zip(_TEXTS, texts, strict=True)}
    return AlertRow(number=number, time_ns=time_ns, **named)
