"""What Databento's refusals mean: HTTP answers, the client's exceptions, the words of the live gateway, and its error
records."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from core.clock import NS_PER_S, wall_ns
from core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConsoleError,
    NotFoundError,
    PermanentError,
    RefusedError,
    ResourceExhaustedError,
    TransientError,
    UsageError,
)
from core.flow.printable import printable
from providers.databento.quiet import quieten
from providers.venue.backoff import retry_after_s

CONNECTION_LIMIT_S: Final = 30.0
_KEY_HINT: Final = "check DATABENTO_API_KEY and what it may use"
_ABSENT: Final = ("not_found", "no_data", "not_exist")
_LICENCE: Final = ("licence", "license", "entitle", "subscription required")
_CUT: Final = "Error streaming"  # the client's words for every failure within a body

_log = logging.getLogger("ringside.databento")


@contextmanager
def translated(asked: str, *, part: Path | None = None) -> Iterator[None]:
    """Raise the errors of the vendor's client, and of what is below it, as ours: the one place where that is done.

    With `part`, a file that the client fetched and cannot read is no error: our own reader says better what is wrong
    with it.
    """
    quieten()
    try:
        yield
    except ConsoleError:
        raise
    except BaseException as error:
        # The vendor's decoder, in Rust, panics on some damaged headers: with a class of its own, below BaseException.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        traceback.clear_frames(error.__traceback__)  # one of them holds the file, open
        found = _meaning(asked, error)
        if found is None and part is not None and part.exists():
            _log.warning("%s: the client cannot read what it fetched: %s", asked, printable(str(error)))
            return
        raise found or TransientError(asked, f"the answer is not understood: {printable(str(error))}") from error


def refusal(asked: str, *, status: int, body: object, headers: Mapping[str, str]) -> ConsoleError:
    """The error of an HTTP answer of 400 or more with a JSON `body`, or None for another."""
    detail = body.get("detail") if isinstance(body, dict) else None
    said = detail if isinstance(detail, dict) else {"message": detail}
    return http_error(
        asked,
        status=status,
        case=str(said.get("case") or ""),
        message=str(said.get("message") or ""),
        retry_after=headers.get("Retry-After"),
        now_ns=wall_ns(),
    )


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
    if status in {404, 410} or any(word in case for word in _ABSENT):
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


def _meaning(asked: str, error: BaseException) -> ConsoleError | None:
    # None for what the client does with an answer of the wrong shape: whatever Python says of it.
    import databento
    import requests.exceptions as http
    import urllib3.exceptions as below

    match error:
        case databento.BentoHttpError():
            return _refused(asked, error)
        case databento.BentoError() if str(error).startswith(_CUT):
            return TransientError(asked, "the transfer was cut")
        case below.HTTPError():  # what a body that is read by ourselves ends with
            return TransientError(asked, "the transfer was cut")
        case http.InvalidURL() | http.InvalidProxyURL():
            return ConfigurationError(asked, printable(str(error)))
        case http.SSLError():
            hint = "REQUESTS_CA_BUNDLE names the certificates to trust"
            return TransientError(asked, "no encrypted connection", hint=hint)
        case http.RequestException() if not isinstance(error, ValueError):
            reached = not isinstance(error, http.ConnectionError | http.Timeout)
            return TransientError(asked, type(error).__name__ if reached else "no connection, or no answer in time")
        case OSError() if not isinstance(error, http.RequestException):
            return ConfigurationError(asked, error.strerror or type(error).__name__)
        case _:
            return None


def _refused(asked: str, error: Any) -> ConsoleError:
    return refusal(asked, status=error.http_status, body=error.json_body, headers=error.headers)
