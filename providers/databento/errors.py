"""What Databento's refusals mean: HTTP answers, the words of the live gateway, and its error records."""

from __future__ import annotations

from typing import Final

from core.clock import NS_PER_S
from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    RefusedError,
    ResourceExhaustedError,
    TransientError,
    UsageError,
)
from core.flow.printable import printable
from providers.venue.backoff import retry_after_s

CONNECTION_LIMIT_S: Final = 30.0
_KEY_HINT: Final = "check DATABENTO_API_KEY and what it may use"
_ABSENT: Final = ("not_found", "no_data", "not_exist")
_LICENCE: Final = ("licence", "license", "entitle", "subscription required")


def http_error(
    asked: str, *, status: int, case: str, message: str, retry_after: str | None, now_ns: int
) -> ConsoleError:
    """The error of an HTTP answer of 400 or more. `case` is the vendor's own name of it, or empty."""
    said = printable(message, 200) or f"HTTP {status}"
    if status in {401, 403}:
        return AuthenticationError(asked, said, hint=_KEY_HINT)
    if status == 429:
        wait_s = retry_after_s(retry_after or "", now_s=now_ns / NS_PER_S)
        return ResourceExhaustedError(asked, said, retry_after_s=wait_s, hint=f"wait {wait_s:g} s")
    if status == 408 or status >= 500:
        return TransientError(asked, said)
    if status == 402:
        return RefusedError(asked, said, hint="the account's limit is reached")
    if status == 404 or any(word in case for word in _ABSENT):
        return NotFoundError(asked, said)
    if status in {400, 409, 416, 422}:
        return UsageError(asked, said)
    return PermanentError(asked, said)


def handshake_error(asked: str, text: str) -> ConsoleError:
    """The error of a gateway that could not be reached, or that refused the session with `text`."""
    said = printable(text, 200)
    lowered = text.lower()
    if "connection to " in lowered or "timed out" in lowered:  # the client's own words
        return TransientError(asked, said)
    if "connection limit" in lowered or "too many" in lowered:
        return ResourceExhaustedError(asked, said, retry_after_s=CONNECTION_LIMIT_S)
    if "internal" in lowered or "unavailable" in lowered:
        return TransientError(asked, said)
    if any(word in lowered for word in _LICENCE) or "auth" in lowered or "key" in lowered:
        return AuthenticationError(asked, said, hint=_KEY_HINT)
    return PermanentError(asked, said)


def record_error(asked: str, *, code: str, text: str) -> ConsoleError:
    """The error that an error record announces. `code` is the name of its code; unknown ones are tried again."""
    said = printable(text, 200) or printable(code, 40) or "no reason given"
    match code:
        case "AUTH_FAILED" | "API_KEY_DEACTIVATED":
            return AuthenticationError(asked, said, hint=_KEY_HINT)
        case "CONNECTION_LIMIT_EXCEEDED":
            return ResourceExhaustedError(asked, said, retry_after_s=CONNECTION_LIMIT_S)
        case "SYMBOL_RESOLUTION_FAILED":
            return NotFoundError(asked, said)
        case "INVALID_SUBSCRIPTION":
            return UsageError(asked, said)
        case _:
            return TransientError(asked, said)
