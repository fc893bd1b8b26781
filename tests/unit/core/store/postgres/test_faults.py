"""PostgreSQL's errors in the terms of the error taxonomy."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import errors

from core.errors import ConfigurationError, ConsoleError, PermanentError, ResourceExhaustedError, TransientError
from core.store.postgres.faults import clean, postgres_error, said


@pytest.mark.parametrize(
    ("state", "wanted"),
    [
        ("57P01", TransientError), ("57P02", TransientError), ("57P03", TransientError), ("57P05", TransientError),
        ("57014", TransientError), ("08006", TransientError), ("40001", TransientError), ("40P01", TransientError),
        ("55P03", TransientError), ("25P03", TransientError), ("58030", TransientError),
        ("53100", ResourceExhaustedError), ("53200", ResourceExhaustedError), ("53300", ResourceExhaustedError),
        ("53400", ResourceExhaustedError),
        ("28P01", ConfigurationError), ("28000", ConfigurationError), ("3D000", ConfigurationError),
        ("42P01", ConfigurationError), ("42703", ConfigurationError), ("42501", ConfigurationError),
        ("42P07", ConfigurationError), ("25006", ConfigurationError), ("3F000", ConfigurationError),
        ("XX001", PermanentError), ("23505", PermanentError), ("22003", PermanentError), ("22P05", PermanentError),
        ("42601", PermanentError),
    ],
)  # fmt: skip
def test_a_state_says_what_to_do(state: str, wanted: type[ConsoleError]) -> None:
    """Each SQLSTATE is the error that makes the system do the right thing next, with a hint where one helps."""
    error = postgres_error("storing", "the place", errors.lookup(state)("what happened"))
    assert type(error) is wanted
    assert str(error).startswith("storing: the place: what happened")
    assert bool(error.hint) == (wanted in {ConfigurationError, ResourceExhaustedError})


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (psycopg.OperationalError("connection failed: FATAL:  sorry, too many clients"), ResourceExhaustedError),
        (psycopg.OperationalError("FATAL:  the database system is starting up"), TransientError),
        (psycopg.OperationalError("FATAL:  the database system is not accepting connections"), TransientError),
        (psycopg.OperationalError('FATAL:  Passwort-Authentifizierung für »x« fehlgeschlagen'), TransientError),
        (psycopg.OperationalError('FATAL:  no pg_hba.conf entry for host "::1"'), ConfigurationError),
        (psycopg.OperationalError("SSL error: certificate verify failed"), ConfigurationError),
        (psycopg.OperationalError("server does not support SSL, but SSL was required"), ConfigurationError),
        (psycopg.OperationalError("SSL SYSCALL error: EOF detected"), TransientError),
        (psycopg.OperationalError("consuming input failed: server closed the connection"), TransientError),
        (psycopg.InterfaceError("the connection is closed"), TransientError),
        (ConnectionResetError(104, "Connection reset by peer"), TransientError),
        (TimeoutError(), TransientError),
        (psycopg.ProgrammingError("the query has 1 placeholder"), PermanentError),
        (psycopg.DataError("text fields cannot contain NUL"), PermanentError),
    ],
)  # fmt: skip
def test_words_say_it_where_no_state_does(error: Exception, wanted: type[ConsoleError]) -> None:
    """A connection that was refused or lost carries no SQLSTATE; what is not understood is tried again."""
    assert type(postgres_error("connecting", "the place", error)) is wanted


def test_one_of_ours_stays_as_it_is() -> None:
    """An error that was translated already is not translated again."""
    ours = ConfigurationError("storing", "something")
    assert postgres_error("other", "place", ours) is ours


def test_only_a_line_fit_for_a_terminal_is_shown() -> None:
    """Of what an error says the first line is shown, without control characters and not at any length."""
    assert said(psycopg.OperationalError("connection is bad: one\x1b[2J\ntwo")) == "one?[2J"
    assert said(TimeoutError()) == "TimeoutError"
    assert clean("x" * 1000) == "x" * 299 + "…"
