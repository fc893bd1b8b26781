"""How far the trades in the database go, asked once when an engine starts."""

from __future__ import annotations

from core.model.records import Schema
from core.store.continuity import Reached
from core.store.postgres.connection import ANSWER_S, Connection, within
from core.store.repository import SeriesKey


def reached_trades(connection: Connection) -> dict[SeriesKey, Reached]:
    """How far each series of trades goes.

    Raises:
        ConsoleError: the server does not answer, or the tables are not there.
    """
    with within(connection, ANSWER_S, operation="reading how far the trades go"):
        rows = connection.execute(
            "SELECT venue, symbol, newest_id, last_ns FROM series WHERE schema = %s AND last_ns > 0",
            (Schema.TRADES.value,),
        ).fetchall()
    return {
        SeriesKey(venue, symbol, Schema.TRADES): Reached(newest_id=newest_id, newest_ns=last_ns)
        for venue, symbol, newest_id, last_ns in rows
    }
