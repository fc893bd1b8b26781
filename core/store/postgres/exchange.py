"""One conversation with a server: prepared statements and COPY in binary, each bounded in time.

psycopg's own cursors cost as much as a small statement takes, and wait for a frozen server for ever; so this speaks
through psycopg's libpq layer. For one thread at a time. It raises psycopg's errors, for the caller to translate.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result

if TYPE_CHECKING:
    from psycopg.pq.abc import PGconn, PGresult

Row = tuple[bytes | None, ...]

_PIECE_BYTES: Final = 1 << 20
_GONE: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL


class Exchange:
    """Speaks over `connection`, which it owns. Every call may take `timeout_s` unless it says otherwise.

    A call that takes longer closes the connection and raises `psycopg.OperationalError`, as every loss of it does.
    """

    def __init__(self, connection: psycopg.Connection, *, timeout_s: float) -> None:
        self._connection = connection
        self._pgconn: PGconn = connection.pgconn
        self.timeout_s = timeout_s
        self._prepared: dict[str, bytes] = {}
        self._poll = select.poll()
        self._poll.register(self._pgconn.socket, select.POLLIN)
        self._waits_to_send = False

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._connection.closed

    def close(self) -> None:
        """Let go of the connection; a transaction that is open is rolled back. May be called twice."""
        self._connection.close()

    def run(self, statement: str, parameters: Sequence[bytes] = (), *, timeout_s: float | None = None) -> list[Row]:
        """The rows that a statement gives; its parameters ($1...) and the values are in PostgreSQL's binary forms.

        The statement is prepared when it is first run.
        """
        result = self._run(statement, parameters, timeout_s)
        columns = range(result.nfields)
        return [tuple(result.get_value(row, column) for column in columns) for row in range(result.ntuples)]

    def count(self, statement: str, parameters: Sequence[bytes], *, timeout_s: float | None = None) -> int:
        """How many rows a statement inserted or changed. Otherwise as `run`."""
        return self._run(statement, parameters, timeout_s).command_tuples or 0

    def _run(self, statement: str, parameters: Sequence[bytes], timeout_s: float | None) -> PGresult:
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        name = self._prepared.get(statement)
        if name is None:
            name = b"s%d" % len(self._prepared)
            self._ask(lambda: self._pgconn.send_prepare(name, statement.encode()), deadline)
            self._prepared[statement] = name
        formats = [1] * len(parameters)
        return self._ask(lambda: self._pgconn.send_query_prepared(name, parameters, formats, 1), deadline)

    def script(self, statements: str, *, timeout_s: float | None = None) -> None:
        """Run statements without parameters, in one trip; what they give is dropped."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        self._ask(lambda: self._pgconn.send_query(statements.encode()), deadline)

    def copy_in(self, statement: str, content: bytes, *, timeout_s: float | None = None) -> None:
        """COPY `content` into a table."""
        deadline = time.monotonic() + (timeout_s or self.timeout_s)
        self._ask(lambda: self._pgconn.send_query(statement.encode()), deadline)
        view = memoryview(content)
        try:
            for at in range(0, len(view), _PIECE_BYTES):
                self._pgconn.put_copy_data(bytes(view[at : at + _PIECE_BYTES]))
                self._send(deadline)
            self._pgconn.put_copy_end()
            self._answer(deadline)
        except psycopg.OperationalError as error:
            self._give_up(error)
            raise

    def _ask(self, send: Callable[[], None], deadline: float) -> PGresult:
        try:
            send()
            return self._answer(deadline)
        except psycopg.OperationalError as error:
            self._give_up(error)
            raise

    def _give_up(self, error: psycopg.OperationalError) -> None:
        if error.sqlstate is None:  # not an answer of the server, but none
            self.close()

    def _answer(self, deadline: float) -> PGresult:
        # Every result must be taken before the next statement, also after one that is an error.
        self._send(deadline)
        last: PGresult | None = None
        failed: PGresult | None = None
        while True:
            while self._pgconn.is_busy():
                self._wait(select.POLLIN, deadline)
                self._pgconn.consume_input()
            result = self._pgconn.get_result()
            if result is None:
                break
            last = result
            if result.status == pq.ExecStatus.COPY_IN:
                break
            if result.status == pq.ExecStatus.FATAL_ERROR and failed is None:
                failed = result
        if failed is not None:
            error = error_from_result(failed)
            if self._pgconn.status != pq.ConnStatus.OK:
                self.close()
            raise error
        assert last is not None
        return last

    def _send(self, deadline: float) -> None:
        while self._pgconn.flush():
            if self._wait(select.POLLIN | select.POLLOUT, deadline) & select.POLLIN:
                self._pgconn.consume_input()

    def _wait(self, events: int, deadline: float) -> int:
        sending = events != select.POLLIN
        if sending != self._waits_to_send:
            self._poll.modify(self._pgconn.socket, events)
            self._waits_to_send = sending
        ready = self._poll.poll(max(deadline - time.monotonic(), 0) * 1000)
        if not ready:
            raise psycopg.OperationalError("the server does not answer")
        return ready[0][1] | (select.POLLIN if ready[0][1] & _GONE else 0)
