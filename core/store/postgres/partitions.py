"""The daily partitions of the tables, or the chunks of hypertables: which there are, how large, and their end."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Final

import attrs
import psycopg

from core.errors import TransientError
from core.store.postgres.encoding import number, small
from core.store.postgres.exchange import Exchange
from core.store.postgres.tables import Table

PARTITIONED: Final = ("tick_data", "record_data")
PACKING_S: Final = 600.0
"""How long one statement of packing or removing may take."""

_EPOCH: Final = date(1970, 1, 1)
_NAME: Final = re.compile(r"(?:tick|record)_data_(\d{8})")
_ATTEMPTS: Final = 20
_ONE_AT_A_TIME: Final = "SELECT pg_try_advisory_lock(hashtext('ringside.packing'))"
_HYPERTABLE: Final = """
SELECT to_regclass('_timescaledb_catalog.hypertable') IS NOT NULL
       AND NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = $1::text::regclass)"""
_LEAVES: Final = """
SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = $1::text::regclass ORDER BY 1"""


@attrs.frozen
class Leaf:
    """The partition of one day since the epoch: its name and its table's."""

    table: str
    name: str
    day: int


def leaves_of(exchange: Exchange, table: str) -> list[Leaf]:
    """The partitions of a table, oldest first; none of a hypertable or of bars. Raises `psycopg.Error`."""
    found = []
    for [name] in exchange.run(_LEAVES, [table.encode()]):
        match = _NAME.fullmatch((name or b"").decode())
        if match:
            when = datetime.strptime(match[1], "%Y%m%d").replace(tzinfo=UTC).date()
            found.append(Leaf(table, match[0], (when - _EPOCH).days))
    return found


def size_of(exchange: Exchange, leaf: Leaf) -> int:
    """The bytes that a partition takes, with its index. Raises `psycopg.Error`."""
    return number(exchange.run("SELECT pg_total_relation_size($1::text::regclass)", [leaf.name.encode()])[0][0])


def is_hypertable(exchange: Exchange, table: str) -> bool:
    """Whether TimescaleDB keeps the table. Raises `psycopg.Error`."""
    return exchange.run(_HYPERTABLE, [table.encode()])[0][0] == b"\x01"


@contextlib.contextmanager
def snapshot(exchange: Exchange, table: Table, *, like: str = "") -> Iterator[None]:
    """Let what is read inside be of one moment, of that of the exported snapshot `like` if one is given.

    The lock comes first: a day is packed and its partition dropped in one transaction, and a snapshot from before
    that would find neither. That of the table is enough, because who drops a partition needs it too.
    """
    same = f"; SET TRANSACTION SNAPSHOT '{like}'" if like else ""
    lock = f"LOCK TABLE ONLY {table.name} IN ACCESS SHARE MODE"
    exchange.script(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY{same}; {lock}")
    yield
    exchange.script("COMMIT")


def claim(exchange: Exchange) -> None:
    """Be the only one who packs or removes, as long as the connection lives.

    Raises:
        TransientError: somebody else is at it.
    """
    if exchange.run(_ONE_AT_A_TIME)[0][0] != b"\x01":
        raise TransientError("packing", "somebody else packs or removes days of this database now")


def lock_out(exchange: Exchange, table: str) -> None:
    """Let nobody else read or write the table until the transaction ends. It waits in short turns, between which
    others get on with their work.

    Raises:
        TransientError: there was always somebody.
        psycopg.Error: the server refused.
    """
    exchange.script("SET LOCAL lock_timeout = '500ms'; SAVEPOINT waiting")
    for _ in range(_ATTEMPTS):
        try:
            exchange.script(f"LOCK TABLE ONLY {table} IN ACCESS EXCLUSIVE MODE")
        except psycopg.errors.LockNotAvailable:
            exchange.script("ROLLBACK TO waiting")
        else:
            return
    raise TransientError("packing", f"{table} is in use all the time")


def touch(exchange: Exchange, series_id: int) -> None:
    """Tell the writers of a series, which is locked out, that what they know of it is out of date."""
    exchange.run("UPDATE series SET ordinal = ordinal + 1 WHERE series_id = $1::integer", [small(series_id)])
