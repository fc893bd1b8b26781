"""What a failing PostgreSQL means to the store: psycopg's errors in the terms of the error taxonomy.

Messages of the server are shown, their first line without control characters; those about the URL itself never are,
because they quote what may be the password.
"""

from __future__ import annotations

from typing import Final

import psycopg

from core.errors import ConfigurationError, ConsoleError, PermanentError, ResourceExhaustedError, TransientError
from core.store.faults import FULL_RETRY_S
from core.text import one_line

MIGRATE: Final = "run: ringside --batch db migrate"
_TEXT_CHARACTERS: Final = 300
_LOGIN: Final = "check the user and the password of the database URL"
_OWN_PLACE: Final = "give it a database, or a schema in the search path, of its own"
_WRITABLE: Final = "name a server and a role that may write"
_RIGHTS: Final = "grant the role the right, or name another role in the database URL"

# By SQLSTATE, of which the first two characters are the class: the longer prefix counts.
_PASSING: Final = (
    "08", "25P03", "25P04", "40", "55006", "55P03", "57014", "57P01", "57P02", "57P03", "57P05", "58", "XX000",
)  # fmt: skip
_FULL: Final = {
    "53": "give the server more of it",
    "53100": "make room",
    "53300": "raise max_connections, or let others go",
}
_WRONG: Final = {
    "28": _LOGIN,
    "25006": _WRITABLE,
    "3D000": "create the database, or name another one",
    "3F000": "create the schema that the search path names",
    "42501": _RIGHTS,
    "42703": MIGRATE,
    "42704": MIGRATE,
    "42883": MIGRATE,
    "42P01": MIGRATE,
    "42P07": _OWN_PLACE,
    "42710": _OWN_PLACE,
    "42723": _OWN_PLACE,
    "0A000": "use PostgreSQL 13 or newer",
}

# A refused connection has no SQLSTATE, only words; of a server that speaks another language it is tried again.
_FULL_WORDS: Final = ("too many clients", "too many connections", "connection slots are reserved")
_WRONG_WORDS: Final = {
    "authentication failed": _LOGIN,
    "no password supplied": _LOGIN,
    "not permitted to log in": _LOGIN,
    "no pg_hba.conf entry": "let the server's pg_hba.conf accept this user from here",
    "permission denied for database": _RIGHTS,
    "database ": "create the database, or name another one",
    "role ": _LOGIN,
    "certificate": "check sslmode and the certificates",
    "does not support SSL": "check sslmode",
    "session is read-only": _WRITABLE,
}


def postgres_error(operation: str, subject: str, error: psycopg.Error | Exception) -> ConsoleError:
    """What to raise when PostgreSQL refused `operation`, or did not answer. `subject` says of what, without a secret.

    Raise it from `error`. One of ours comes back as it is.
    """
    if isinstance(error, ConsoleError):
        return error
    text = f"{subject}: {said(error)}"
    state = getattr(error, "sqlstate", None)
    if state:
        return _by_state(operation, text, state)
    if isinstance(error, psycopg.OperationalError):
        return _by_words(operation, text, said(error))
    if isinstance(error, psycopg.InterfaceError | OSError):
        return TransientError(operation, text)
    return PermanentError(operation, text)


def said(error: Exception) -> str:
    """The first line of what an error says, fit for a terminal."""
    diagnostic = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    line = (diagnostic or str(error) or type(error).__name__).strip().partition("\n")[0]
    for prefix in ("connection failed: ", "connection is bad: "):
        line = line.removeprefix(prefix)
    return clean(line)


def clean(text: str) -> str:
    """The text without control characters, and not too long for a line or two."""
    return one_line(text, _TEXT_CHARACTERS)


def _by_state(operation: str, text: str, state: str) -> ConsoleError:
    for prefix in (state, state[:2]):
        if prefix in _PASSING:
            return TransientError(operation, text)
        if prefix in _FULL:
            return ResourceExhaustedError(operation, text, retry_after_s=FULL_RETRY_S, hint=_FULL[prefix])
        if prefix in _WRONG:
            return ConfigurationError(operation, text, hint=_WRONG[prefix])
    return PermanentError(operation, text)


def _by_words(operation: str, text: str, words: str) -> ConsoleError:
    _, fatal, reason = words.rpartition("FATAL:")
    if any(part in reason for part in _FULL_WORDS):
        return ResourceExhaustedError(operation, text, retry_after_s=FULL_RETRY_S, hint=_FULL["53300"])
    if reason.startswith("invalid "):
        return ConfigurationError(operation, text, hint="check the options of the database URL")
    refused = bool(fatal) or "password" in reason or "certificate" in reason or "SSL" in reason
    if refused and "database system" not in reason:
        for part, hint in _WRONG_WORDS.items():
            if part in reason:
                return ConfigurationError(operation, text, hint=hint)
    return TransientError(operation, text)
