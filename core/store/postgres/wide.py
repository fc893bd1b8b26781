"""Large ranges over two connections: the server works for each in a process of its own, while numpy parses."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from core.errors import ConsoleError
from core.model.records import Schema
from core.store.postgres.exchange import Exchange
from core.store.postgres.packed import Chunk
from core.store.postgres.pages import Span, after, page, rows_of
from core.store.postgres.partitions import snapshot
from core.store.postgres.tables import table_of

FIRST_ROWS: Final = 50_000
"""What is read alone; a range that holds more is read by two."""
_SLICES: Final = 8


def rows_in(
    exchange: Exchange, another: Callable[[], Exchange], series_id: int, schema: Schema, span: Span, *, last_ns: int
) -> list[Chunk]:
    """The rows of a series in a span, in the order of reading, asked over a connection that is in a `snapshot` and,
    if they are many, over `another` one. `last_ns` is the last instant of the series.

    Raises `psycopg.Error`.
    """
    first, keys = page(exchange, series_id, schema, span, rows=FIRST_ROWS)
    if len(first.records) < FIRST_ROWS:
        return [first]
    slices = _cut(after(schema, first, keys, min(span.end_ns, last_ns + 1)))
    waiting, found = deque(range(len(slices))), dict[int, list[Chunk]]()

    def work(over: Exchange) -> None:
        while (turn := _next(waiting)) is not None:
            found[turn] = list(rows_of(over, series_id, schema, slices[turn]))

    def help_out(name: str) -> None:
        # Without a second connection the first one does all of it.
        with contextlib.suppress(ConsoleError):
            over = another()
            with snapshot(over, table_of(schema), like=name):
                work(over)

    name = (exchange.run("SELECT pg_export_snapshot()")[0][0] or b"").decode()
    with ThreadPoolExecutor(1) as pool:
        helper = pool.submit(help_out, name)
        try:
            work(exchange)
        finally:
            waiting.clear()
        helper.result()
    return [first, *(chunk for turn in range(len(slices)) for chunk in found[turn])]


def _next(waiting: deque[int]) -> int | None:
    with contextlib.suppress(IndexError):  # the other one took the last
        return waiting.popleft()
    return None


def _cut(span: Span) -> list[Span]:
    # Of equal length in time: most days are busy all day.
    step = max((span.end_ns - span.start_ns) // _SLICES, 1)
    edges = [*range(span.start_ns, span.end_ns, step), span.end_ns]
    starts = [Span(start, end) for start, end in itertools.pairwise(edges)]
    return [Span(span.start_ns, edges[1], span.key), *starts[1:]] if starts else []
