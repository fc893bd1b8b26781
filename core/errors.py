"""The error taxonomy: a class says who is at fault and what the system does next.

A library's own exceptions are translated into these once, at the one boundary that uses the library.
Programmer errors are asserts and are never caught.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class ConsoleError(Exception):
    """Root of every error an operator may read: what was being done, to what, and what to do about it."""

    category: ClassVar[str] = "internal"
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, operation: str, subject: str, *, hint: str = "") -> None:
        super().__init__(operation, subject)
        self.operation = operation
        self.subject = subject
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.operation}: {self.subject}"
        return f"{text} ({self.hint})" if self.hint else text


class TransientError(ConsoleError):
    """Will probably work later: back off, then retry."""

    category = "unavailable"
    exit_code = 7
    retryable = True


class ResourceExhaustedError(ConsoleError):
    """A limit was reached: wait `retry_after_s`, then retry."""

    category = "rate_limit"
    exit_code = 7
    retryable = True

    def __init__(self, operation: str, subject: str, *, retry_after_s: float = 0.0, hint: str = "") -> None:
        super().__init__(operation, subject, hint=hint)
        self.retry_after_s = retry_after_s


class PermanentError(ConsoleError):
    """Will not work however often it is tried: stop and show the operator."""

    category = "permanent"


class UsageError(PermanentError):
    """The command line asks for something that makes no sense."""

    category = "usage"
    exit_code = 2


class ConfigurationError(PermanentError):
    """The settings or the machine (directories, shared memory) do not allow it: mend them and start again."""

    category = "configuration"
    exit_code = 3


class NotFoundError(PermanentError):
    """What was asked for does not exist there: a symbol, a file, an instance."""

    category = "not_found"
    exit_code = 4


class UnreachableError(PermanentError):
    """The engine that was asked does not answer."""

    category = "unreachable"
    exit_code = 5


class AuthenticationError(PermanentError):
    """The venue does not accept the key, or there is none: mend it and start again."""

    category = "authentication"
    exit_code = 6


class RefusedError(PermanentError):
    """It could be done and is not allowed: taken name, read-only, unconfirmed, over budget."""

    category = "refused"
    exit_code = 8


@contextmanager
def single_error() -> Iterator[None]:
    """Let a `ConsoleError` out of the exception group that a nursery puts round it.

    Of several the first is taken; the context of the raised error is the group. A group that also holds anything
    else, a programmer error or a cancellation, passes as it is.
    """
    try:
        yield
    except BaseExceptionGroup as group:
        _, rest = group.split(ConsoleError)
        if rest is not None:
            raise
        error: BaseException = group
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from group
