"""Claims that are held by a connection and go with it: of each name there is one holder among all machines."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

from core.store.postgres.connection import connect, within

_ANSWER_S = 10.0


@contextmanager
def database_claim(url: str, name: str) -> Iterator[bool]:
    """Whether `name` is ours while the block lasts; False when somebody else has it. Raises as `connect` does."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
    with contextlib.closing(connect(url, name="ringside claim")) as connection:
        with within(connection, _ANSWER_S, operation="claiming a series"):
            row = connection.execute("SELECT pg_try_advisory_lock(%s)", (number,)).fetchone()
        yield row is not None and bool(row[0])
