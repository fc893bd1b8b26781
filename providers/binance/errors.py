"""Binance's error codes and what each makes us do."""

from __future__ import annotations

import msgspec

from core.errors import (
    AuthenticationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    ResourceExhaustedError,
    TransientError,
)
from core.flow.printable import printable

_SERVER_SIDE = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
_TOO_MANY = frozenset({-1003, -1015, -1034})
_NO_SUCH_SYMBOL = frozenset({-1121})
_CREDENTIALS = frozenset({-1022, -2014, -2015})
_CLOCK = frozenset({-1021})
_UNSTATED_WAIT_S = 60.0


class Refusal(msgspec.Struct):
    """What Binance says when it refuses: `code` and its words."""

    code: int
    msg: str = ""


_decode_refusal = msgspec.json.Decoder(Refusal).decode


def classify(operation: str, refusal: Refusal) -> ConsoleError:
    """The error that a refusal stands for."""
    said = f"{printable(refusal.msg, 160)} [{refusal.code}]"
    if refusal.code in _SERVER_SIDE:
        return TransientError(operation, said)
    if refusal.code in _TOO_MANY:
        return ResourceExhaustedError(operation, said, retry_after_s=_UNSTATED_WAIT_S)
    if refusal.code in _NO_SUCH_SYMBOL:
        return NotFoundError(operation, said, hint="the venue lists no such symbol")
    if refusal.code in _CREDENTIALS:
        return AuthenticationError(operation, said, hint="check the API key, its secret and its permissions")
    hint = "this machine's clock differs from the venue's" if refusal.code in _CLOCK else ""
    return PermanentError(operation, said, hint=hint)


def read_refusal(operation: str, body: bytes) -> ConsoleError | None:
    """The error in the body of a refused request; None when the body is not Binance's."""
    try:
        return classify(operation, _decode_refusal(body))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
