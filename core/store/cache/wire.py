"""One connection to Redis that never blocks for long: short timeouts, and a pause after each failure.

The library's own client is not used: it connects again without saying so, and a server that was away may have come
back with old values. Here whoever asks sees by `generation` that a connection is new.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Protocol

import attrs
from redis.backoff import NoBackoff
from redis.connection import Connection, parse_url
from redis.exceptions import RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from core.clock import NS_PER_S, monotonic_ns
from core.errors import ConfigurationError, ConsoleError, ResourceExhaustedError, TransientError
from core.store.cache.faults import printable_url, redis_error, url_error

CONNECT_TIMEOUT_S: Final = 0.5  # from the name of the host to the first command
ANSWER_TIMEOUT_S: Final = 0.5
FIRST_PAUSE_S: Final = 0.25
LAST_PAUSE_S: Final = 5.0

Argument = str | bytes | int
Reply = object


class _Connection(Protocol):
    # What is used of the library's connections, which are not annotated.

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def pack_commands(self, commands: Sequence[tuple[Argument, ...]]) -> list[bytes]: ...
    def send_packed_command(self, command: list[bytes]) -> None: ...
    def read_response(self, disable_decoding: bool) -> Reply: ...


@attrs.frozen
class Answer:
    """Replies, and the `generation` of the connection that they came over."""

    generation: int
    replies: list[Reply]


class RedisWire:
    """Sends commands and takes their replies, one caller at a time; connects when first needed."""

    def __init__(self, url: str, *, clock: Callable[[], int] = monotonic_ns) -> None:
        """Raises:
        ConfigurationError: the URL is none of Redis.
        """
        self._url = url
        self._clock = clock
        self._guard = threading.RLock()
        self._connection = _connection(url)
        self._connected = False
        self._attempt: Attempt | None = None
        self._failures = 0
        self._retry_ns = 0
        self._last: ConsoleError | None = None
        self.generation = 0
        """Grows whenever a connection is made or lost."""

    @property
    def paused(self) -> bool:
        """Whether the pause after a failure still runs: every call fails at once until it ends."""
        return self._clock() < self._retry_ns

    def ask(self, *commands: tuple[Argument, ...], generation: int | None = None) -> Answer | None:
        """The replies to `commands`, sent at once; one that the server refused is the exception itself.

        With `generation`, None and nothing sent unless the connection is still that one.

        Raises:
            TransientError: no answer in time, no connection, or the pause after a failure.
            ResourceExhaustedError: the server has no memory or no connection left; no command was answered.
            ConfigurationError: not a Redis, or it does not let us in.
        """
        with self._guard:
            if self.paused and self._last is not None:
                raise TransientError("asking Redis", self._last.subject, hint="waiting before the next try")
            if generation is not None and generation != self.generation:
                return None
            try:
                if not self._connected:
                    self._connect()
                self._connection.send_packed_command(self._connection.pack_commands(commands))
                replies = [self._reply() for _ in commands]
            except (RedisError, OSError) as error:
                self._let_go()
                raise self.failed("asking Redis", error) from error
            except BaseException:
                self._let_go()  # a reply that was not read would be taken for the next one
                raise
            self._failures, self._last = 0, None
            return Answer(self.generation, replies)

    def failed(self, operation: str, error: Exception) -> ConsoleError:
        """Translate `error` and begin the pause."""
        translated = redis_error(operation, self._url, error)
        with self._guard:
            pause_s = min(FIRST_PAUSE_S * 2**self._failures, LAST_PAUSE_S)
            if isinstance(translated, ResourceExhaustedError):
                pause_s = translated.retry_after_s
            elif isinstance(translated, ConfigurationError):
                pause_s = LAST_PAUSE_S
            self._failures = min(self._failures + 1, 16)
            self._retry_ns = self._clock() + int(pause_s * NS_PER_S)
            self._last = translated
        return translated

    def close(self) -> None:
        """Close the connection; the next call makes a new one. May be called twice."""
        with self._guard:
            self._let_go()

    def __repr__(self) -> str:
        return f"RedisWire({printable_url(self._url)})"

    def _connect(self) -> None:
        self.generation += 1
        if self._attempt is not None and self._attempt.running:
            raise RedisTimeoutError("the last attempt to connect has not ended")
        self._attempt = Attempt(_connection(self._url))
        self._connection = self._attempt.connected(CONNECT_TIMEOUT_S)
        self._connected = True

    def _let_go(self) -> None:
        self._connected = False
        self.generation += 1
        self._connection.disconnect()

    def _reply(self) -> Reply:
        try:
            return self._connection.read_response(disable_decoding=True)
        except ResponseError as error:
            return error


class Attempt:
    """Connects in a thread of its own that nobody has to wait for: to find the address of a host may take minutes."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._done: Future[None] = Future()
        self._guard = threading.Lock()
        self._given_up = False
        threading.Thread(target=self._run, name="connecting to Redis", daemon=True).start()

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return not self._done.done()

    def connected(self, timeout_s: float) -> _Connection:
        """The connection, open. Raises what connecting raises, and `RedisTimeoutError` after `timeout_s`: what is
        connected later is closed again."""
        with suppress(TimeoutError):
            self._done.result(timeout_s)
        with self._guard:
            if self._done.done():
                self._done.result()
                return self._connection
            self._given_up = True
        raise RedisTimeoutError("not connected in time")

    def _run(self) -> None:
        try:
            self._connection.connect()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            # The library chokes in many ways on hosts and options that make no sense.
            known = isinstance(error, RedisError | OSError)
            self._done.set_exception(error if known else RedisError(type(error).__name__))
            return
        with self._guard:
            if self._given_up:
                self._connection.disconnect()
            self._done.set_result(None)


def _connection(url: str) -> _Connection:
    try:
        parse: Callable[[str], dict[str, Any]] = parse_url
        options = parse(url)
        kind = options.pop("connection_class", Connection)
        # Ours come last: no option of the URL may make a call block for longer, or change what is sent.
        options |= {
            "encoding": "utf-8",
            "encoding_errors": "strict",
            "socket_timeout": ANSWER_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
            "retry_on_error": [],
            "protocol": 2,
            "client_name": "ringside",
            "health_check_interval": 0,
        }
        made: _Connection = kind(**options)
    except (ValueError, TypeError, RedisError):
        # What the library says of it may hold the password, and so may the chain of exceptions.
        raise url_error(url) from None
    return made
