"""What Kraken Futures' complaints mean for us: alerts and errors on the sockets, refusals of its REST interface."""

from __future__ import annotations

import re

import msgspec

from core.errors import ConsoleError, NotFoundError, PermanentError, ResourceExhaustedError, TransientError
from core.flow.printable import printable

_RATE_S = 10.0
_PRODUCT = re.compile(r"product `([^`]{1,40})`", re.IGNORECASE)

_UNKNOWN = ("Couldn't subscribe to invalid product", "notFound", "contractDoesNotExist")
_EXHAUSTED = ("apiLimitExceeded", "Exceeded", "Too many", "Rate limit")
_TEMPORARY = ("Unavailable", "marketUnavailable", "Server Error", "Service", "maintenance")
_HARMLESS = ("Already subscribed", "Not subscribed")


class _Fault(msgspec.Struct):
    message: str = ""


class _Refusal(msgspec.Struct):
    result: str
    error: str = ""
    errors: list[_Fault] = []


_decode = msgspec.json.Decoder(_Refusal).decode


def is_harmless(text: str) -> bool:
    """Whether a complaint only says that things already stand as asked."""
    return text.startswith(_HARMLESS)


def named_product(text: str) -> str:
    """The product that a complaint is about, empty when it names none: nothing else tells one from another."""
    found = _PRODUCT.search(text)
    return found[1].upper() if found else ""


def venue_error(text: str, *, operation: str) -> ConsoleError:
    """The error that says what to do about `text`; anything unknown is permanent."""
    said = printable(text) or "no reason given"
    if text.startswith(_UNKNOWN):
        return NotFoundError(operation, said)
    if text.startswith(_EXHAUSTED):
        return ResourceExhaustedError(operation, said, retry_after_s=_RATE_S)
    if text.startswith(_TEMPORARY):
        return TransientError(operation, said)
    return PermanentError(operation, said)


def read_refusal(operation: str, body: bytes) -> ConsoleError | None:
    """The error in an answer that refuses, in either of the venue's two shapes; None when it does not."""
    try:
        refusal = _decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if refusal.result != "error":
        return None
    text = refusal.error or "; ".join(fault.message for fault in refusal.errors)
    return venue_error(text, operation=operation)
