"""What Kraken's error texts mean for us. The sockets and the REST answers share them."""

from __future__ import annotations

from core.clock import NS_PER_S
from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from core.flow.printable import printable

_THROTTLED = "EService:Throttled"
_LOCKOUT_S = 15 * 60.0
_RATE_S = 10.0

_UNKNOWN = ("Currency pair not supported", "EQuery:Unknown asset")
_EXHAUSTED = {
    "Exceeded msg rate": _RATE_S,
    "EAPI:Rate limit exceeded": _RATE_S,
    "EGeneral:Too many requests": _RATE_S,
    "EGeneral:Temporary lockout": _LOCKOUT_S,
}
_TEMPORARY = ("EService:", "EGeneral:Internal error")
_CREDENTIALS = (
    "EAPI:Invalid key",
    "EAPI:Invalid signature",
    "EAPI:Invalid nonce",
    "EGeneral:Permission denied",
    "ESession:Invalid session",
)
_HARMLESS = ("Already subscribed", "Subscription not found")


def is_harmless(text: str) -> bool:
    """Whether a refusal only says that things already stand as asked."""
    return text.startswith(_HARMLESS)


def venue_error(text: str, *, operation: str, now_ns: int) -> ConsoleError:
    """The error that says what to do about `text`; anything unknown is permanent."""
    said = printable(text)
    if text.startswith(_UNKNOWN):
        return NotFoundError(operation, said)
    if text.startswith(_THROTTLED):
        return ResourceExhaustedError(operation, said, retry_after_s=_throttled_s(text, now_ns=now_ns))
    for prefix, wait_s in _EXHAUSTED.items():
        if text.startswith(prefix):
            return ResourceExhaustedError(operation, said, retry_after_s=wait_s)
    if text.startswith(_TEMPORARY):
        return TransientError(operation, said)
    if text.startswith(_CREDENTIALS):
        return AuthenticationError(operation, said, hint="check the API key, its secret and its permissions")
    return PermanentError(operation, said)


def _throttled_s(text: str, *, now_ns: int) -> float:
    # The text ends in the UNIX second at which the venue listens again; what cannot be read waits as for a rate.
    instant = text.removeprefix(_THROTTLED).strip(": ")
    if not (instant.isascii() and instant.isdigit() and len(instant) <= 12):
        return _RATE_S
    return min(max(int(instant) - now_ns / NS_PER_S, 1.0), _LOCKOUT_S)
