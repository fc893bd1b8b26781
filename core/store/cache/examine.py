"""What a Redis is, for somebody who wants to know whether it can be used. Changes nothing."""

from __future__ import annotations

import re

import attrs

from core.errors import ConfigurationError
from core.store.cache.faults import printable_url
from core.store.cache.wire import RedisWire


@attrs.frozen(kw_only=True)
class RedisFacts:
    """A Redis as it is; what it does not tell is empty or 0, and 0 bytes is no limit."""

    place: str
    version: str
    policy: str
    most_memory_bytes: int


def examine(url: str) -> RedisFacts:
    """The facts: one connection, one question. Blocks for a second at most once its address is found.

    Raises:
        TransientError, ResourceExhaustedError: it does not answer.
        ConfigurationError: the URL is none, or it does not let us in.
    """
    wire = RedisWire(url)
    try:
        answer = wire.ask(("INFO",))
        assert answer is not None
        (reply,) = answer.replies
        if isinstance(reply, Exception):
            raise wire.failed("asking Redis", reply) from reply
    finally:
        wire.close()
    if not isinstance(reply, bytes):
        raise ConfigurationError("asking Redis", f"{printable_url(url)}: not a Redis server")
    told = dict(re.findall(r"^(\w+):([\w.-]{1,40})\r?$", reply.decode("utf-8", "replace"), re.MULTILINE))
    most = told.get("maxmemory", "0")
    return RedisFacts(
        place=printable_url(url),
        version=told.get("redis_version", ""),
        policy=told.get("maxmemory_policy", ""),
        most_memory_bytes=int(most) if most.isascii() and most.isdecimal() else 0,
    )
