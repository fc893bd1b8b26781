"""The cache in Redis: what others do to its keys, and every way in which a Redis fails."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from core.errors import ConfigurationError, ConsoleError, ResourceExhaustedError, TransientError
from core.model.records import Schema
from core.store.cache.faults import printable_url
from core.store.cache.redis import RedisTickCache, key_of
from core.store.repository import SeriesKey
from tests.conformance.ticks import BOOKS, T0, TRADES, prices, ticks
from tests.servers.redis import RedisServer
from tests.unit.core.store.cache.support import frozen, looking_into, setting, until

KEY = "ticks:KRAKEN:BTCUSD"
TEN_SECONDS_NS = 10 * 10**9


class Clock:
    """Monotonic time that a test moves on."""

    def __init__(self) -> None:
        self.now_ns = 10**12

    def __call__(self) -> int:
        """The instant."""
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def cache(redis_url: str, clock: Clock) -> Iterator[RedisTickCache]:
    """A cache of windows of ten records."""
    made = RedisTickCache(redis_url, 10, clock=clock)
    yield made
    made.close()


def test_keys_say_what_they_hold() -> None:
    """Trades are found under `ticks`, other records under the name of their schema."""
    assert key_of(TRADES) == KEY
    assert key_of(BOOKS) == "mbp-10:BINANCE:BTCUSDT"


def test_others_read_what_one_pushed(cache: RedisTickCache, redis_url: str) -> None:
    """Another process reads the window, and may not claim that it is whole up to now."""
    cache.push(TRADES, ticks(range(1, 8)))
    reader = RedisTickCache(redis_url, 10)
    assert prices(reader.recent(TRADES, 3)) == [5, 6, 7]
    assert not reader.follows(TRADES)
    assert reader.since(TRADES, T0 + 3000) is None
    assert not reader.backfill(TRADES, ticks([99]))
    assert prices(reader.recent(TRADES, 1)) == [7]
    reader.close()


def test_memory_is_bounded(cache: RedisTickCache, redis_url: str) -> None:
    """A string never exceeds twice the window, and always expires."""
    with looking_into(redis_url) as client:
        for number in range(1, 100):
            cache.push(TRADES, ticks([number]))
            assert client.strlen(KEY) <= 2 * 10 * 48
            assert client.pttl(KEY) > 3_500_000
    assert prices(cache.recent(TRADES, 10)) == list(range(90, 100))
    assert cache.stats().resets == 0


def test_ticks_expire(redis_url: str) -> None:
    """A series that is not pushed for as long as its ticks may live is gone; the next push begins anew."""
    cache = RedisTickCache(redis_url, 10, ttl_s=0.05)
    cache.push(TRADES, ticks([1, 2]))
    until(lambda: len(cache.recent(TRADES, 2)) == 0)
    cache.push(TRADES, ticks([3]))
    cache.push(TRADES, ticks([4]))
    assert cache.stats().resets >= 1
    cache.close()


def test_a_new_process_begins_anew(cache: RedisTickCache, redis_url: str) -> None:
    """What an earlier process left is not continued: ticks may have been missed in between."""
    cache.push(TRADES, ticks([1, 2, 3]))
    later = RedisTickCache(redis_url, 10)
    later.push(TRADES, ticks([9]))
    assert prices(cache.recent(TRADES, 5)) == [9]
    later.close()


@pytest.mark.parametrize(
    "garbage", [b"x", b"\x00" * 47, b"\xff" * 48, ticks([1]).tobytes()[:-1], ticks([2, 1]).tobytes(), b"\x00" * 96]
)
def test_garbage_is_refused_and_deleted(cache: RedisTickCache, redis_url: str, garbage: bytes) -> None:
    """A value of a wrong length, of other bytes or out of order is never returned, and counted once."""
    with looking_into(redis_url) as client:
        client.set(KEY, garbage)
        assert len(cache.recent(TRADES, 5)) == 0
        assert client.exists(KEY) == 0
    assert len(cache.recent(TRADES, 5)) == 0
    assert cache.stats().refused == 1


def test_another_type_is_refused_and_replaced(cache: RedisTickCache, redis_url: str) -> None:
    """A key that is a list is deleted by a read and overwritten by a push."""
    with looking_into(redis_url) as client:
        client.rpush(KEY, "x")
        assert len(cache.recent(TRADES, 5)) == 0
        client.rpush(KEY, "x")
        cache.push(TRADES, ticks([1]))
        assert prices(cache.recent(TRADES, 5)) == [1]
        client.delete(KEY)
        client.rpush(KEY, "x")
        cache.push(TRADES, ticks([2]))
    assert prices(cache.recent(TRADES, 5)) == [2]


@pytest.mark.parametrize("change", ["delete", "truncate", "append", "replace"])
@pytest.mark.parametrize("late", [False, True])
def test_a_window_that_was_changed_is_not_continued(
    cache: RedisTickCache, redis_url: str, change: str, *, late: bool
) -> None:
    """Whatever another writer did, the next push begins anew, so that no hole is served."""
    cache.push(TRADES, ticks([10, 20, 30, 40]))
    with looking_into(redis_url) as client:
        if change == "append":
            client.append(KEY, ticks([50]).tobytes())
        else:
            values = {"truncate": ticks([10, 20]).tobytes(), "replace": b"?" * 7}
            client.delete(KEY) if change == "delete" else client.set(KEY, values[change])
    cache.push(TRADES, ticks([35 if late else 60]))
    assert prices(cache.recent(TRADES, 10)) == [35 if late else 60]
    assert cache.stats().resets == 1


def test_a_lost_connection_begins_windows_anew(
    cache: RedisTickCache, redis_url: str, clock: Clock, redis_server: RedisServer
) -> None:
    """A server that comes back with old values of the very same length is not appended to."""
    cache.push(TRADES, ticks([1, 2, 3]))
    redis_server.kill()
    with pytest.raises(TransientError):
        cache.push(TRADES, ticks([4]))
    redis_server.start()
    with looking_into(redis_url) as client:
        client.set(KEY, ticks([1, 2, 3]).tobytes())
    clock.now_ns += TEN_SECONDS_NS
    assert prices(cache.recent(TRADES, 9)) == [1, 2, 3]
    assert not cache.follows(TRADES)
    assert len(cache.vouched(TRADES, 9)) == 0
    cache.push(TRADES, ticks([5]))
    assert prices(cache.recent(TRADES, 9)) == [5]


def test_a_connection_lost_before_a_push_is_noticed(
    cache: RedisTickCache, redis_url: str, clock: Clock, redis_server: RedisServer
) -> None:
    """When a read found a new connection, the next push does not continue what was there before."""
    cache.push(TRADES, ticks([1, 2, 3]))
    redis_server.kill()
    redis_server.start()
    with pytest.raises(TransientError):
        cache.recent(TRADES, 1)
    clock.now_ns += TEN_SECONDS_NS
    with looking_into(redis_url) as client:
        client.set(KEY, ticks([1, 2, 3]).tobytes())
    assert len(cache.recent(TRADES, 9)) == 3
    cache.push(TRADES, ticks([7]))
    assert prices(cache.recent(TRADES, 9)) == [7]


def test_failures_pause(cache: RedisTickCache, clock: Clock, redis_server: RedisServer) -> None:
    """After a failure calls fail at once, for longer each time and never longer than five seconds."""
    redis_server.stop()
    pauses: list[int] = []
    for _ in range(8):
        with pytest.raises(TransientError) as caught:
            cache.recent(TRADES, 1)
        assert "waiting" not in str(caught.value)
        began_ns = clock.now_ns
        while cache.paused:
            with pytest.raises(TransientError, match="waiting"):
                cache.push(TRADES, ticks([1]))
            clock.now_ns += 50_000_000
        pauses.append(clock.now_ns - began_ns)
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (250_000_000, 5_000_000_000)
    redis_server.start()
    cache.push(TRADES, ticks([1]))
    assert cache.stats().failures > 8


def test_a_frozen_server_is_given_up(cache: RedisTickCache, clock: Clock, redis_server: RedisServer) -> None:
    """A server that does not answer ends in an error, also when it has to be connected to."""
    cache.push(TRADES, ticks([1]))
    with frozen(redis_server):
        for _ in range(2):
            with pytest.raises(TransientError, match="no answer in time"):
                cache.push(TRADES, ticks([2]))
            clock.now_ns += TEN_SECONDS_NS
    cache.push(TRADES, ticks([3]))
    assert prices(cache.recent(TRADES, 5)) == [3]


def test_a_full_server_lets_go_of_the_window(
    cache: RedisTickCache, clock: Clock, redis_url: str, redis_server: RedisServer
) -> None:
    """Without memory a push fails, and the window, which lacks records from then on, is deleted."""
    cache.push(TRADES, ticks([1]))
    with setting(redis_url, "maxmemory", "1", before="0"):
        with pytest.raises(ResourceExhaustedError, match="out of memory"):
            cache.push(TRADES, ticks([2]))
        assert cache.paused
        with looking_into(redis_url) as client:
            assert client.exists(KEY) == 0
    clock.now_ns += TEN_SECONDS_NS
    cache.push(TRADES, ticks([3]))
    assert prices(cache.recent(TRADES, 5)) == [3]


@pytest.mark.parametrize("given", ["", "hunter2-wrong"])
def test_a_wrong_password_is_said_and_not_shown(redis_url: str, given: str) -> None:
    """A password that is refused or missing is a matter of configuration, and appears in no message."""
    with setting(redis_url, "requirepass", "hunter2", before="", password="hunter2"):
        cache = RedisTickCache(redis_url.replace("unix://", f"unix://:{given}@") if given else redis_url)
        with pytest.raises(ConfigurationError, match="not allowed") as caught:
            cache.push(TRADES, ticks([1]))
        shown = f"{caught.value} {caught.value.hint} {cache.stats()} {cache._wire!r}"
        assert "hunter2" not in shown
        cache.close()
        right = RedisTickCache(redis_url.replace("unix://", "unix://:hunter2@"))
        right.push(TRADES, ticks([1]))
        assert prices(right.recent(TRADES, 1)) == [1]
        right.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://localhost",
        "localhost:6379",
        "redis://:hunter2@localhost:port",
        "redis://:hunt/er2@localhost:6379/0",
        "redis://localhost?db=x",
        "redis://localhost?no_such_option=hunter2",
        "redis://[hunter2",
    ],
)
def test_an_address_of_something_else_is_refused(url: str) -> None:
    """What is no address of a Redis is said at once, without repeating a password."""
    with pytest.raises(ConfigurationError) as caught:
        RedisTickCache(url)
    assert "er2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_addresses_are_shown_without_secrets() -> None:
    """Host, port, database or path are shown; user, password, options and control characters are not."""
    assert printable_url("redis://user:pw@host:6379/2?password=pw") == "redis://host:6379/2"
    assert printable_url("unix://:pw@/run/redis.sock?db=1") == "unix:///run/redis.sock"
    assert "\x1b" not in printable_url("unix:///run/\x1b[2J")
    assert "pw" not in printable_url("redis://host/pw@elsewhere")


def test_options_cannot_make_it_wait(redis_url: str, redis_server: RedisServer) -> None:
    """A timeout in the address does not replace our own."""
    cache = RedisTickCache(f"{redis_url}&socket_timeout=600")
    with frozen(redis_server), pytest.raises(TransientError, match="no answer in time"):
        cache.push(TRADES, ticks([1]))
    cache.close()


@pytest.mark.parametrize("url", [f"redis://{'a' * 70}.org:6379/0", "redis://a..b:6379"])
def test_a_name_that_no_host_has_is_an_error_in_words(url: str) -> None:
    """What the library chokes on while it connects is a mistake in the settings, and no traceback."""
    cache = RedisTickCache(url)
    with pytest.raises(ConfigurationError, match="of no use"):
        cache.push(TRADES, ticks([1]))
    cache.close()


def test_a_name_that_is_not_found_does_not_hang(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer costs no more time than a Redis that does not, and one thread at most."""
    answered = threading.Event()

    def unanswered(*_: object, **__: object) -> list[object]:
        answered.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unanswered)
    cache = RedisTickCache("redis://redis.invalid:6379/0", clock=clock)
    threads: set[int] = set()
    for _ in range(3):
        with pytest.raises(TransientError, match="no answer in time"):
            cache.push(TRADES, ticks([1]))
        clock.now_ns += TEN_SECONDS_NS
        threads.add(threading.active_count())
    assert len(threads) == 1
    answered.set()
    until(lambda: threading.active_count() < min(threads))
    with pytest.raises(TransientError, match="name resolution"):
        cache.push(TRADES, ticks([1]))
    cache.close()


def test_another_kind_of_server_is_told(clock: Clock) -> None:
    """A server that answers in another language, or hangs up, is an error that names no more than the place."""
    answers = [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"-ERR unknown command `AUTH`, beginning with: `hunter2`\r\n",
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for answer in answers:
                client, _ = server.accept()
                with client:
                    client.recv(1000)
                    client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        cache = RedisTickCache(f"redis://:hunter2@127.0.0.1:{port}/0", clock=clock)
        for _ in answers:
            with pytest.raises(ConsoleError) as caught:
                cache.push(TRADES, ticks([1]))
            assert "hunter2" not in str(caught.value)
            assert str(port) in str(caught.value)
            clock.now_ns += TEN_SECONDS_NS
        thread.join()
        cache.close()


def test_a_value_of_another_schema_is_refused(redis_url: str) -> None:
    """Bytes of books under the key of bars are not taken for bars."""
    bars = SeriesKey("KRAKEN", "BTCUSD", Schema.BARS_1M)
    cache = RedisTickCache(redis_url, schemas=[Schema.BARS_1M])
    with looking_into(redis_url) as client:
        client.set(key_of(bars), b"\x0e" * bars.schema.dtype.itemsize)
    assert len(cache.recent(bars, 1)) == 0
    assert cache.stats().refused == 1
    cache.close()
