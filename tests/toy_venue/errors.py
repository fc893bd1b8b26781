"""What the toy venue's refusals mean for us: one table, for its socket and its REST answers alike. Pure."""

from __future__ import annotations

import msgspec

from core.errors import ConsoleError, NotFoundError, PermanentError, ResourceExhaustedError, TransientError
from core.flow.printable import printable

_WAIT_S = 5.0


class _Refusal(msgspec.Struct):
    error: str


def venue_error(text: str, *, operation: str) -> ConsoleError:
    """The error that says what to do about `text`; anything unknown is permanent."""
    said = printable(text)
    match text:
        case "unknown market":
            return NotFoundError(operation, said)
        case "busy":
            return TransientError(operation, said)
        case "too many requests":
            return ResourceExhaustedError(operation, said, retry_after_s=_WAIT_S)
        case _:
            return PermanentError(operation, said)


def read_refusal(operation: str, body: bytes) -> ConsoleError | None:
    """The error in the body of a refused request; None when the body is not this venue's."""
    try:
        return venue_error(msgspec.json.decode(body, type=_Refusal).error, operation=operation)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
