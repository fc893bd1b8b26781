"""What an engine refused over the control channel, as the error it was."""

from __future__ import annotations

from typing import Final

from core.errors import (
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    RefusedError,
    TransientError,
    UnreachableError,
    UsageError,
)
from ringbuf.control import ControlError

_KINDS: Final[dict[str, type[ConsoleError]]] = {
    kind.category: kind
    for kind in (UsageError, ConfigurationError, NotFoundError, RefusedError, UnreachableError, TransientError)
}


def as_told(error: ControlError, *, operation: str) -> ConsoleError:
    """The error that an engine answered `operation` with; a category nobody knows is a refusal."""
    return _KINDS.get(error.category, RefusedError)(operation, str(error), hint=error.hint)
