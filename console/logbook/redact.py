"""The last line of defence of the log: an extra field as it may be logged."""

from __future__ import annotations

from typing import Any, Final

from console.secrets import Redactor
from core.text import one_line

MOST_TEXT: Final = 4096


def redact_value(redactor: Redactor, value: Any) -> Any:
    """An extra field as it may be logged: numbers, true, false and none as they are, all else as safe text."""
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:64]
    return redactor.redact(one_line(str(value)[:MOST_TEXT], instead=" "))
