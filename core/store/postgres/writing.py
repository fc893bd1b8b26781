"""One attempt at an append: the cheapest way that is safe for the batch, and the counts that come of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import attrs
import numpy as np
import psycopg

from core.model.records import Records
from core.store.batch import summed
from core.store.postgres import statements
from core.store.postgres.batches import Batch, Known, batch_of
from core.store.postgres.encoding import array_parameter, big, copy_buffer, number, small, value_parameter
from core.store.postgres.exchange import Exchange
from core.store.postgres.packed import packed_identities
from core.store.postgres.tables import table_of
from core.store.repository import AppendResult, SeriesKey

COPY_ROWS: Final = 1000
"""From here on COPY costs less than arrays in a statement: 22 against 54 ms at 8192 rows, the same at 1000."""
_SLICE_ROWS: Final = 8192


@attrs.frozen(kw_only=True)
class Offer:
    """What an append was given: the `records` of it that may be stored (contiguous) and how many were `rejected`.

    `writer` and `position` say which append of whom it is. With `advance` they are noted in `positions` as well.
    """

    series: SeriesKey
    records: Records
    rejected: int
    newest_id: int
    writer: bytes
    position: int
    advance: bool = False


@attrs.frozen
class Outcome:
    """What became of an offer, and the series after it."""

    result: AppendResult
    known: Known


class MovedError(Exception):
    """Another writer moved the series on: nothing was stored, and what is known of it is out of date."""


def write(exchange: Exchange, offer: Offer, known: Known, days: set[tuple[str, int]]) -> Outcome:
    """Store an offer, all of it or nothing. `known` must be the series as it is; `days` are the partitions that are
    known to be there.

    Raises:
        MovedError: `known` is out of date.
        psycopg.Error: the server refused or is gone.
    """
    table = table_of(offer.series.schema)
    if not len(offer.records):
        batch = _nothing(offer.records, known)
    else:
        batch = batch_of(
            offer.series, offer.records, offer.newest_id, known=known,
            packed=lambda day: packed_identities(exchange, known.series_id, day),
        )  # fmt: skip
        missing = [day for day in batch.days if (table.name, day) not in days]
        if missing:
            wanted = np.array(missing, np.int32)
            exchange.run(
                statements.ENSURE_DAYS, [table.name.encode(), array_parameter(statements.DAY_COLUMN, wanted)]
            )
            days.update((table.name, day) for day in missing)
    if len(batch) > COPY_ROWS:
        return _in_transaction(exchange, offer, known, batch)
    if batch.sure:
        with contextlib.suppress(psycopg.errors.UniqueViolation):
            return _insert_new(exchange, offer, known, batch)
    return _insert_any(exchange, offer, known, batch)


def _nothing(records: Records, known: Known) -> Batch:
    none = np.empty(0, np.int64)
    return Batch(records, none, None, False, 0, known.first_ns, known.last_ns, known.newest_id, ())


def _in_transaction(exchange: Exchange, offer: Offer, known: Known, batch: Batch) -> Outcome:
    if batch.sure:
        with contextlib.suppress(psycopg.errors.UniqueViolation), _transaction(exchange, offer):
            return _copy_new(exchange, offer, known, batch)
    with _transaction(exchange, offer):
        return _insert_any(exchange, offer, known, batch)


@contextlib.contextmanager
def _transaction(exchange: Exchange, offer: Offer) -> Iterator[None]:
    exchange.script(statements.begin(table_of(offer.series.schema)))
    try:
        yield
    except BaseException:
        with contextlib.suppress(psycopg.Error):
            if not exchange.closed:
                exchange.script("ROLLBACK")
        raise
    exchange.script("COMMIT")


def facts_of(
    offer: Offer, known: Known, batch: Batch, *, rows: int, late: int, duplicates: int, rejected: int
) -> list[bytes]:
    """The parameters that every statement of a batch begins with: `rows` are offered, of which `late` are late, after
    `duplicates` and `rejected` ones were dropped."""
    return [
        small(known.series_id), big(known.ordinal), big(rows), big(duplicates), big(late), big(rejected),
        big(batch.first_ns), big(batch.last_ns), big(batch.newest_id), offer.writer, big(offer.position),
    ]  # fmt: skip


def _moved(offer: Offer, known: Known, batch: Batch, *, offered: int, result: AppendResult) -> Outcome:
    return Outcome(
        result,
        Known(
            known.series_id, packed=known.packed,
            rows=known.rows + result.rows, duplicates=known.duplicates + result.duplicates,
            out_of_order=known.out_of_order + result.out_of_order, rejected=known.rejected + result.rejected,
            first_ns=batch.first_ns, last_ns=batch.last_ns, newest_id=batch.newest_id,
            ordinal=known.ordinal + max(offered, 1), writer=offer.writer, position=offer.position,
        ),
    )  # fmt: skip


def _insert_new(exchange: Exchange, offer: Offer, known: Known, batch: Batch) -> Outcome:
    schema, rows = offer.series.schema, len(batch)
    table, single = table_of(schema), rows == 1
    columns = zip(table.columns, batch.columns(schema, ordinal=known.ordinal), strict=True)
    encode = value_parameter if single else array_parameter
    parameters = [
        *facts_of(offer, known, batch, rows=rows, late=batch.late_rows, duplicates=batch.duplicates,
                rejected=offer.rejected),
        *(encode(kind, values) for kind, values in columns),
    ]  # fmt: skip
    if exchange.count(statements.insert_new(table, single=single, advance=offer.advance), parameters) != rows:
        raise MovedError
    return _moved(offer, known, batch, offered=rows, result=_all_new(offer, batch))


def _copy_new(exchange: Exchange, offer: Offer, known: Known, batch: Batch) -> Outcome:
    schema, rows = offer.series.schema, len(batch)
    table = table_of(schema)
    facts = facts_of(
        offer, known, batch, rows=rows, late=batch.late_rows, duplicates=batch.duplicates, rejected=offer.rejected
    )
    if exchange.count(statements.move(advance=offer.advance), facts) != 1:
        raise MovedError
    columns = batch.columns(schema, ordinal=known.ordinal)
    content = copy_buffer(
        (statements.SERIES_COLUMN, *table.columns), (np.full(rows, known.series_id, np.int32), *columns)
    )
    exchange.copy_in(statements.copy_new(table), content)
    return _moved(offer, known, batch, offered=rows, result=_all_new(offer, batch))


def _all_new(offer: Offer, batch: Batch) -> AppendResult:
    return AppendResult(
        rows=len(batch), duplicates=batch.duplicates, out_of_order=batch.late_rows, rejected=offer.rejected
    )


def _insert_any(exchange: Exchange, offer: Offer, known: Known, batch: Batch) -> Outcome:
    # In slices, because what the server keeps of a statement's arrays grows with them.
    first, result = known, AppendResult()
    for start in range(0, max(len(batch), 1), _SLICE_ROWS):
        end = min(start + _SLICE_ROWS, len(batch))
        outcome = _insert_slice(exchange, offer, known, batch, first=first, start=start, end=end)
        known, result = outcome.known, summed(result, outcome.result)
    return Outcome(result, known)


def _insert_slice(
    exchange: Exchange, offer: Offer, known: Known, batch: Batch, *, first: Known, start: int, end: int
) -> Outcome:
    schema, rows = offer.series.schema, end - start
    table = table_of(schema)
    duplicates, rejected = (0, 0) if start else (batch.duplicates, offer.rejected)
    facts = facts_of(offer, known, batch, rows=rows, late=0, duplicates=duplicates, rejected=rejected)
    if not rows:
        facts[2] = big(0)
        if exchange.count(statements.move(advance=offer.advance, anyway=True), facts) != 1:
            raise MovedError
        return _moved(offer, known, batch, offered=0, result=AppendResult(duplicates=duplicates, rejected=rejected))
    columns = zip(table.columns, batch.columns(schema, ordinal=first.ordinal, start=start, end=end), strict=True)
    parameters = [*facts, *(array_parameter(kind, values) for kind, values in columns)]
    late = None if batch.late is None else batch.late[start:end]
    if late is not None:
        parameters.append(array_parameter(statements.LATE_COLUMN, late))
    found = exchange.run(statements.insert_any(table, some_late=late is not None, advance=offer.advance), parameters)
    if not found:
        raise MovedError
    new = number(found[0][0])
    result = AppendResult(
        rows=new, duplicates=duplicates + rows - new, out_of_order=number(found[0][1]), rejected=rejected
    )
    return _moved(offer, known, batch, offered=rows, result=result)
