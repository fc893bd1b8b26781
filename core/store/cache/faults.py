"""What a failing Redis means: the library's exceptions in the terms of the error taxonomy, and no secret in any."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from redis.exceptions import (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    InvalidResponse,
    MaxConnectionsError,
    NoPermissionError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from core.errors import ConfigurationError, ConsoleError, ResourceExhaustedError, TransientError
from core.text import one_line

FULL_RETRY_S: Final = 5.0
_DENIED: Final = (
    AuthenticationError,
    AuthenticationWrongNumberOfArgsError,
    AuthorizationError,
    NoPermissionError,
)
# What a server says that is starting, failing over or cannot write its snapshot.
_PASSING: Final = {"LOADING", "MISCONF", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY", "NOREPLICAS"}
_HINT: Final = "redis://HOST:PORT/DATABASE, rediss://... or unix:///PATH"
_MAX_CHARACTERS: Final = 120


def redis_error(operation: str, url: str, error: Exception) -> ConsoleError:
    """What to raise when Redis at `url` failed at `operation`.

    A server's own words are left out but for their first, the code: a server may repeat what it was sent, and that
    includes passwords.
    """
    place = printable_url(url)
    if isinstance(error, _DENIED):
        return ConfigurationError(operation, f"{place}: not allowed", hint="mend the user and password in the URL")
    if isinstance(error, OutOfMemoryError):
        hint = "raise its maxmemory or make fewer ticks stay"
        return ResourceExhaustedError(operation, f"{place}: out of memory", retry_after_s=FULL_RETRY_S, hint=hint)
    if isinstance(error, MaxConnectionsError):
        subject = f"{place}: too many connections"
        return ResourceExhaustedError(operation, subject, retry_after_s=FULL_RETRY_S)
    if isinstance(error, InvalidResponse):
        return ConfigurationError(operation, f"{place}: not a Redis server", hint=_HINT)
    if isinstance(error, RedisTimeoutError | TimeoutError):
        return TransientError(operation, f"{place}: no answer in time")
    if isinstance(error, ResponseError):
        return _refused(operation, place, error)
    if isinstance(error, RedisConnectionError | OSError):
        return TransientError(operation, f"{place}: {_reason(error)}")
    assert isinstance(error, RedisError)
    return ConfigurationError(operation, f"{place}: the address is of no use", hint=_HINT)


def url_error(url: str) -> ConsoleError:
    """What to raise when `url` does not say where a Redis is."""
    return ConfigurationError("connecting to Redis", printable_url(url), hint=_HINT)


def printable_url(url: str) -> str:
    """Where `url` leads, in printable characters, without user, password and options."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "an address that cannot be read"  # it may hold a password anywhere
    if parts.scheme == "unix":
        place = f"unix://{parts.path}"
    elif parts.scheme in {"redis", "rediss"} and parts.hostname:
        database = parts.path if re.fullmatch(r"/\d{0,6}", parts.path) else ""
        place = f"{parts.scheme}://{parts.hostname}{f':{port}' if port else ''}{database}"
    else:
        return "an address that is not of Redis"
    return one_line(place, _MAX_CHARACTERS)


def _refused(operation: str, place: str, error: ResponseError) -> ConsoleError:
    found = re.match(r"[A-Z]{2,20}\b", str(error))
    code = found.group() if found else "ERR"
    # The library cuts the code off those answers that it has a class for.
    if code in _PASSING or type(error) is not ResponseError:
        return TransientError(operation, f"{place}: {code if found else type(error).__name__}")
    return ConfigurationError(operation, f"{place}: refused with {code}", hint="Redis 5 or newer is needed")


def _reason(error: Exception) -> str:
    causes = [error, error.__cause__, error.__context__]
    words = [str(cause.strerror) for cause in causes if isinstance(cause, OSError) and cause.strerror]
    return one_line(words[0], _MAX_CHARACTERS) if words else "the connection failed"
