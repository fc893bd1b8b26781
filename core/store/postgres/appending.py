"""Appends to any number of series over one connection after another: what is known of each series, who came how far,
and which append nobody knows the end of. The caller opens connections, and says when one is gone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import attrs
import numpy as np
import psycopg

from core.errors import TransientError
from core.model.records import Records, Schema
from core.store.paths import series_directory
from core.store.postgres import statements
from core.store.postgres.batches import Known, Refused, storable
from core.store.postgres.encoding import number
from core.store.postgres.exchange import Exchange
from core.store.postgres.series import load_series, series_names
from core.store.postgres.single import INSERT_ONE, one_trade
from core.store.postgres.tables import table_of
from core.store.postgres.writing import MovedError, Offer, write
from core.store.repository import AppendResult, SeriesKey

_ATTEMPTS: Final = 100
_TRADES: Final = table_of(Schema.TRADES).name


@attrs.frozen(kw_only=True)
class Request:
    """What is to be appended (contiguous, of the series' dtype), as the append at `position` of `writer`.

    With `advance` the position counts records, and is noted: those that are not beyond what is noted are left out.
    """

    series: SeriesKey
    records: Records
    newest_id: int
    writer: bytes
    position: int
    advance: bool = False


@attrs.frozen
class _Doubt:
    # An append of which nobody knows whether it was committed: which one, of what, and the series before it.
    position: int
    fingerprint: bytes
    before: Known


class Appender:
    """Appends over a connection, and remembers. For one thread at a time."""

    def __init__(self) -> None:
        self._known: dict[SeriesKey, Known] = {}
        self._positions: dict[tuple[SeriesKey, bytes], int] = {}
        self._days: set[tuple[str, int]] = set()
        self._doubts: dict[SeriesKey, _Doubt] = {}

    def append(self, exchange: Exchange, request: Request) -> tuple[AppendResult, Refused]:
        """What became of it, and the records that were rejected.

        Raises:
            TransientError: other writers are always faster.
            RefusedError: the series has no usable name.
            psycopg.Error: the server refused or is gone.
        """
        series = request.series
        try:
            done = self._append(exchange, request)
        except psycopg.Error:
            doubt, known = self._doubts.get(series), self._known.get(series)
            doubted = doubt is not None and doubt.position == request.position
            if exchange.closed and known is not None and not request.advance and not doubted:
                self._doubts[series] = _Doubt(request.position, _fingerprint(request), known)
            raise
        self._doubts.pop(series, None)
        return done

    def doubted(self, request: Request) -> int | None:
        """The position of the last append to the series, if nobody knows whether it was committed and if it was of
        the same records; else None."""
        doubt = self._doubts.get(request.series)
        return doubt.position if doubt is not None and doubt.fingerprint == _fingerprint(request) else None

    def position(self, exchange: Exchange, series: SeriesKey, writer: bytes) -> int:
        """How far a writer has come, once nothing that failed before can change it. Raises `psycopg.Error`."""
        self._forget(series)
        exchange.count(statements.FENCE, series_names(series))
        return self._committed(exchange, series, writer)

    def retire(self, exchange: Exchange, writer: bytes) -> None:
        """Forget how far a writer came, in every series. Raises `psycopg.Error`."""
        exchange.run(statements.RETIRE, [writer])
        for key in [key for key in self._positions if key[1] == writer]:
            del self._positions[key]

    def disconnected(self) -> None:
        """The connection is gone: what was known is to be asked again."""
        self._known.clear()
        self._positions.clear()
        self._days.clear()

    def _forget(self, series: SeriesKey) -> None:
        self._known.pop(series, None)
        for key in [key for key in self._positions if key[0] == series]:
            del self._positions[key]

    def _committed(self, exchange: Exchange, series: SeriesKey, writer: bytes) -> int:
        known = self._positions.get((series, writer))
        if known is None:
            rows = exchange.run(statements.POSITION, [*series_names(series), writer])
            known = self._positions[series, writer] = number(rows[0][0]) if rows else 0
        return known

    def _append(self, exchange: Exchange, request: Request) -> tuple[AppendResult, Refused]:
        series = request.series
        for _ in range(_ATTEMPTS):
            known = self._known.get(series)
            if known is None:
                series_directory(Path(), series)  # refuses the names that the embedded store refuses
                known = self._known[series] = load_series(exchange, series)
            doubt = self._doubts.get(series)
            committed = (known.writer, known.position) == (request.writer, request.position)
            if doubt is not None and doubt.position == request.position and committed:
                return _difference(doubt.before, known), storable(series, request.records)[1]
            try:
                return self._attempt(exchange, request, known)
            except MovedError:
                self._forget(series)
            except psycopg.errors.CheckViolation:  # the partition is gone: its day was packed or was too old
                self._days.clear()
                self._forget(series)
        raise TransientError("storing", f"{series}: others write it all the time")

    def _attempt(self, exchange: Exchange, request: Request, known: Known) -> tuple[AppendResult, Refused]:
        series, records = request.series, request.records
        if request.advance:
            # Asked after the series: what others commit in between moves its ordinal on.
            left = min(request.position - self._committed(exchange, series, request.writer), len(records))
            if left <= 0:
                return AppendResult(), {}
            records = records[len(records) - left :]
        elif len(records) == 1 and series.schema is Schema.TRADES:
            result = self._append_one(exchange, request, known)
            if result is not None:
                return result, {}
        right, refused = storable(series, records)
        offer = Offer(
            series=series, records=right, rejected=len(records) - len(right), newest_id=request.newest_id,
            writer=request.writer, position=request.position, advance=request.advance,
        )  # fmt: skip
        outcome = write(exchange, offer, known, self._days)
        self._known[series] = outcome.known
        if request.advance:
            self._positions[series, request.writer] = request.position
        return outcome.result, refused

    def _append_one(self, exchange: Exchange, request: Request, known: Known) -> AppendResult | None:
        # None when it takes the arrays to say what becomes of it.
        one = one_trade(
            request.series, request.records.tobytes(), request.newest_id,
            known=known, writer=request.writer, position=request.position,
        )  # fmt: skip
        if one is None or (_TRADES, one.day) not in self._days:
            return None
        try:
            stored = exchange.count(INSERT_ONE, one.parameters)
        except psycopg.errors.UniqueViolation:
            return None
        if not stored:
            raise MovedError
        self._known[request.series] = one.known
        return one.result


def _fingerprint(request: Request) -> bytes:
    key = request.newest_id.to_bytes(8, "big")
    return hashlib.blake2b(np.ascontiguousarray(request.records).tobytes(), key=key).digest()


def _difference(before: Known, after: Known) -> AppendResult:
    return AppendResult(
        rows=after.rows - before.rows,
        duplicates=after.duplicates - before.duplicates,
        out_of_order=after.out_of_order - before.out_of_order,
        rejected=after.rejected - before.rejected,
    )
