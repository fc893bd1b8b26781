"""What is paid for data, in PostgreSQL: one budget for all machines that share the database."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

import attrs

from core.store.postgres.connection import Connection, Session
from core.store.spending import (
    ASKED,
    BOUGHT,
    FACTS,
    SETTLING,
    Budget,
    Purchase,
    Spent,
    check_budget,
    day_and_month_ns,
    only,
    purchase_of,
    settled,
    usd,
)

_FACTS: Final = ", ".join(FACTS)
_INSTANT: Final = "timestamptz 'epoch' + %s * interval '1 microsecond'"
# Readers go on; whoever wants to reserve or to settle waits for the end of the transaction. Taken before anything is
# read, it lets all be seen that was reserved until then, whatever the isolation.
_ONE_AT_A_TIME: Final = "LOCK TABLE spend IN SHARE ROW EXCLUSIVE MODE"
_INSERT: Final = f"""
INSERT INTO spend ({_FACTS}, job_id, estimated_usd, paid_usd, spent_at)
VALUES ({", ".join(["%s"] * len(FACTS))}, %s, %s, 0, {_INSTANT}) RETURNING spend_id
"""  # noqa: S608 - constants
_COUNTED: Final = f"""
SELECT coalesce(sum(counted) FILTER (WHERE spent_at >= {_INSTANT}), 0), coalesce(sum(counted), 0)
FROM (SELECT spent_at, CASE state WHEN 'asked' THEN estimated_usd ELSE paid_usd END AS counted
      FROM spend WHERE spent_at >= {_INSTANT} AND state <> 'void' AND dataset NOT LIKE 'SIM.%%') AS counting
"""  # noqa: S608 - constants
_SETTLE: Final = """
UPDATE spend SET state = %s, paid_usd = %s, rows = %s, billed_bytes = %s, order_id = %s WHERE spend_id = %s
"""
_SELECT: Final = f"""
SELECT {_FACTS}, spend_id, coalesce(job_id, ''), estimated_usd, paid_usd,
       (extract(epoch FROM spent_at) * 1000000)::bigint * 1000
FROM spend
"""  # noqa: S608 - constants
_KNOWN: Final = f"{_SELECT} WHERE spend_id = %s FOR UPDATE"
_LISTED: Final = f"{_SELECT} WHERE spent_at >= {_INSTANT} AND state = ANY(%s) ORDER BY spent_at, spend_id"


class PostgresLedger:
    """The ledger in the database at `url`, which must be migrated. It connects when it is first asked. Implements
    `Ledger`; raises as `PostgresBooks` does. Instants are kept to the microsecond."""

    def __init__(self, url: str) -> None:
        self._session = Session(url, name="ringside ledger")

    def reserve(self, purchase: Purchase, budget: Budget, *, now_ns: int) -> Purchase:
        """Write down that a purchase is asked for. See `Ledger`."""
        asked = attrs.evolve(purchase, state=ASKED, paid_usd=Decimal(0), spent_ns=now_ns // 1000 * 1000)
        facts = [getattr(asked, name) for name in FACTS]
        values = (*facts, asked.job_id or None, asked.estimated_usd, now_ns // 1000)
        with self._session.use("reserving a purchase") as connection, connection.transaction():
            connection.execute(_ONE_AT_A_TIME)
            check_budget(asked, budget, _spent(connection, now_ns), now_ns=now_ns)
            (spend_id,) = connection.execute(_INSERT, values).fetchall()[0]
        return attrs.evolve(asked, spend_id=spend_id)

    def settle(
        self, spend_id: int, *, state: str, paid_usd: Decimal | None, rows: int, billed_bytes: int, order_id: str
    ) -> None:
        """Write down what became of a purchase. See `Ledger`."""
        with self._session.use(SETTLING) as connection, connection.transaction():
            found = connection.execute(_KNOWN, (spend_id,)).fetchall()
            new = settled(
                only([purchase_of(row) for row in found], spend_id),
                state=state, paid_usd=paid_usd, rows=rows, billed_bytes=billed_bytes, order_id=order_id,
            )  # fmt: skip
            values = (new.state, new.paid_usd, new.rows, new.billed_bytes, new.order_id, spend_id)
            connection.execute(_SETTLE, values)

    def purchases(self, *, since_ns: int = 0, states: Collection[str] = (ASKED, BOUGHT)) -> list[Purchase]:
        """The purchases in these states, oldest first. See `Ledger`."""
        with self._session.use("reading the ledger") as connection:
            rows = connection.execute(_LISTED, (-(-since_ns // 1000), list(states))).fetchall()
        return [purchase_of(row) for row in rows]

    def spent(self, now_ns: int) -> Spent:
        """What counts against the budgets. See `Ledger`."""
        with self._session.use("reading the ledger") as connection:
            return _spent(connection, now_ns)

    def close(self) -> None:
        """Let the connection go. May be called twice."""
        self._session.close()


def _spent(connection: Connection, now_ns: int) -> Spent:
    day_ns, month_ns = day_and_month_ns(now_ns)
    today, month = connection.execute(_COUNTED, (day_ns // 1000, month_ns // 1000)).fetchall()[0]
    return Spent(today_usd=usd(today), month_usd=usd(month))
