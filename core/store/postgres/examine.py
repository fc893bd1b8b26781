"""What a database is, for somebody who wants to know whether it can be used. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

from core.clock import wall_ns
from core.errors import ConfigurationError
from core.store.postgres.connection import connect, where, within
from core.store.postgres.faults import clean
from core.store.postgres.migrate import waiting

CONNECT_S: Final = 2.0
ANSWER_S: Final = 2.0
_SETTINGS: Final = ("fsync", "full_page_writes", "synchronous_commit")
_FACTS: Final = """
SELECT current_setting('server_version'),
       (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'),
       (extract(epoch FROM clock_timestamp()) * 1000000)::bigint
"""


@attrs.frozen(kw_only=True)
class DatabaseFacts:
    """A database as it is. `waiting` are migrations it lacks; `refused` says why none could be applied; `timescale`
    is the version of the extension, empty without it; `clock_ahead_ns` is how far its clock is ahead of ours."""

    place: str
    version: str
    timescale: str
    waiting: tuple[str, ...]
    refused: str
    refused_hint: str
    settings: Mapping[str, str]
    clock_ahead_ns: int


def examine(url: str) -> DatabaseFacts:
    """The facts. Blocks, for some seconds at most.

    Raises:
        TransientError, ResourceExhaustedError: it does not answer.
        ConfigurationError: the URL, the user or the password is wrong.
    """
    connection = connect(url, timeout_s=CONNECT_S, statement_s=ANSWER_S)
    try:
        place = where(connection)
        with within(connection, ANSWER_S, operation="examining the database"):
            before_ns = wall_ns()
            row = connection.execute(_FACTS).fetchone()
            middle_ns = (before_ns + wall_ns()) // 2
            found = connection.execute(
                "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(_SETTINGS),)
            ).fetchall()
        assert row is not None
        names: list[str] = []
        refused = hint = ""
        try:
            names = waiting(connection)
        except ConfigurationError as error:
            refused, hint = f"{error.operation}: {error.subject}", error.hint
    finally:
        connection.close()
    return DatabaseFacts(
        place=place,
        version=clean(str(row[0])).partition(" ")[0],
        timescale=clean(str(row[1] or "")),
        waiting=tuple(names),
        refused=refused,
        refused_hint=hint,
        settings={clean(str(name)): clean(str(value)) for name, value in found},
        clock_ahead_ns=int(row[2]) * 1000 - middle_ns,
    )
