"""What tests of the caches share: waiting for a fact, and a plain look into a Redis."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from tests.servers.redis import RedisServer


def until(fact: Callable[[], bool], *, timeout_s: float = 15.0) -> None:
    """Wait until `fact` is one."""
    deadline = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


@contextmanager
def setting(url: str, name: str, value: str, *, before: str, password: str | None = None) -> Iterator[None]:
    """A Redis with another setting, `before` again afterwards."""
    with redis.Redis.from_url(url) as client:
        client.config_set(name, value)
    try:
        yield
    finally:
        with redis.Redis.from_url(url, password=password) as client:
            client.config_set(name, before)


@contextmanager
def looking_into(url: str) -> Iterator[redis.Redis]:
    """A client of the library's own."""
    with redis.Redis.from_url(url) as client:
        yield client


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    """A Redis that does not answer."""
    server.pause()
    try:
        yield
    finally:
        server.resume()
